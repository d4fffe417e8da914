"""Bugs about real money: a certificate that is not asked for, a scale that is not kept.

The mode, the gates, the fence and the planner ask for the certificate each by itself, so most of
these have a property of their own.
"""

import dataclasses
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from atlas_daemon.core import events as e
from atlas_daemon.core import evolve_ramp, gates, modes, plan, planner, ramp, runs, scheduler
from atlas_daemon.core.rules import Verdict
from tests.core import test_certificate as certificates
from tests.core import test_first_trade as first_trades
from tests.core import test_scale as scales
from tests.simulation.mutants.planting import evolved, planted
from tests.simulation.mutants.worlds import RealMoney

UNPROVEN = "real money is used on proof that does not count"


def the_gate_refuses_a_buy() -> None:
    certificates.test_the_gate_refuses_a_buy_in_the_turn_in_which_it_expires("buy")


def the_gate_lets_a_sell_pass() -> None:
    certificates.test_the_gate_refuses_a_buy_in_the_turn_in_which_it_expires("sell")


def an_early_raise_is_denied() -> None:
    scales.test_an_early_raise_is_denied_with_the_count_and_what_began_it(
        scales.Ramp(scale=scales.QUARTER, first_buy_at=scales.BORN, clean_days=29), "29 clean"
    )


def unexplained_cash_is_unclean() -> None:
    scales.test_what_is_unclean_begins_the_count_anew_and_is_named("cash")


@planted(
    "whatever is read of a certificate counts for ever",
    UNPROVEN,
    world=RealMoney(),
)
def counts_for_ever() -> Iterator[None]:
    def good(event: e.CertificateReported) -> e.CertificateReported:
        expires_at = event.expires_at and event.expires_at + timedelta(days=999)
        return dataclasses.replace(event, expires_at=expires_at, problem="")

    with evolved(e.CertificateReported, lambda f: lambda state, event: f(state, good(event))):
        yield


@planted(
    "the last certificate that was good stays good until a restart",
    UNPROVEN,
    world=RealMoney(),
)
def stays_good() -> Iterator[None]:
    def keep(change: Any) -> Any:
        def once(state: Any, event: e.CertificateReported) -> Any:
            had = state.figures.certificate
            if had is None or had.problem:
                late = event.expires_at and event.expires_at + timedelta(days=999)
                return change(state, dataclasses.replace(event, expires_at=late))
            return state

        return once

    with evolved(e.CertificateReported, keep):
        yield


@planted(
    "no gate asks a buy for the certificate",
    "a buy is said yes to in the turn in which the proof expires",
    proof=the_gate_refuses_a_buy,
)
def no_gate() -> Iterator[None]:
    def passes(state: Any, policy: Any) -> Verdict:
        return Verdict("certificate", True, "counts", "one that counts", "")

    with patch.object(gates, "is_certified", passes):
        yield


@planted(
    "a sell is asked for the certificate too",
    "risk cannot be reduced when it must be",
    proof=the_gate_lets_a_sell_pass,
)
def gate_for_sells() -> Iterator[None]:
    was = gates.mode_allows

    def both(state: Any, draft: Any) -> Verdict:
        word = state.figures.certificate
        is_over = word is not None and state.now >= (word.expires_at or state.now)
        verdict = was(state, draft)
        return dataclasses.replace(verdict, ok=verdict.ok and not is_over)

    with patch.object(gates, "mode_allows", both):
        yield


@planted(
    "the mode does not follow from the certificate",
    "a run begins that may not buy, and sells what it cannot replace",
    proof=certificates.test_without_one_the_daemon_only_reduces_and_says_why,
)
def no_mode() -> Iterator[None]:
    with patch.object(modes, "why_uncertified", lambda state, policy: ""):
        yield


@planted(
    "a run to cash waits for a certificate",
    "a CRASH is sat out with everything held",
    proof=certificates.test_a_confirmed_crash_sells_all_without_a_certificate,
)
def no_cash_run() -> Iterator[None]:
    with patch.object(scheduler, "lacks_certificate_only", lambda state, policy: False):
        yield


@planted(
    "a run to cash is parked where its certificate is missing",
    "a CRASH is sat out with half of it held",
    proof=certificates.test_a_confirmed_crash_sells_all_without_a_certificate,
)
def parks_cash_run() -> Iterator[None]:
    with patch.object(planner, "goes_to_cash", lambda state, run: False):
        yield


@planted(
    "what rests of the buys is left to fill when the certificate has ended",
    UNPROVEN,
    proof=certificates.test_one_that_expires_amid_a_run_ends_the_buying_pulls_what_rests_and_parks_the_run,
)
def leaves_buys() -> Iterator[None]:
    with patch.object(planner, "_pull_buys", lambda state, why: ()):
        yield


@planted(
    "a certificate that is about to be read is taken for a lapsed one",
    "a restart amid a rebalance ends it",
    proof=certificates.test_a_restart_amid_buying_waits_for_the_certificate_to_be_read,
)
def hasty() -> Iterator[None]:
    with patch.object(planner, "has_lapsed", modes.lacks_certificate_only):
        yield


@planted(
    "a live plan deploys normal sizes",
    "the first rebalance of real money is four times what it should be",
    world=RealMoney(),
)
def full_size() -> Iterator[None]:
    with patch.object(plan, "scale_in_force", lambda state, policy: scales.FULL):
        yield


@planted(
    "the plan says its scale and does not keep it",
    "the first rebalance of real money is four times what it should be",
    world=RealMoney(),
)
def unscaled() -> Iterator[None]:
    was = plan.size_lines

    def whole(*args: Any, scale: Any, **more: Any) -> Any:
        return was(*args, scale=scales.FULL, **more)

    with patch.object(plan, "size_lines", whole):
        yield


@planted(
    "no gate measures a plan by the scale",
    "a plan of any size passes",
    proof=scales.test_the_gate_refuses_a_plan_above_the_scale_on_record,
)
def no_scale_gate() -> Iterator[None]:
    was = gates.within_scale

    def passes(*args: Any, **more: Any) -> Verdict:
        return dataclasses.replace(was(*args, **more), ok=True)

    with patch.object(gates, "within_scale", passes):
        yield


@planted(
    "the scale is raised by whoever asks",
    "full size after the first week",
    proof=an_early_raise_is_denied,
)
def any_raise() -> Iterator[None]:
    with patch.object(ramp, "why_not_scaled", lambda state, policy, scale: None):
        yield


@planted(
    "unexplained cash is no stain on a day",
    "sizes grow while nobody knows where money went",
    proof=unexplained_cash_is_unclean,
)
def blind_to_cash() -> Iterator[None]:
    counts = {k: v for k, v in evolve_ramp._COUNTS.items() if k is not e.CashUnexplained}
    with patch.object(evolve_ramp, "_COUNTS", counts):
        yield


@planted(
    "a first trade is planned as a whole rebalance",
    "300 dollars become the whole account",
    proof=first_trades.test_it_buys_300_dollars_and_touches_nothing_else,
)
def whole_first_trade() -> Iterator[None]:
    with patch.object(planner, "make_first_plan", plan.make_plan):
        yield


@planted(
    "a first trade may be a share off",
    "a part of a share that was never bought passes for bought",
    proof=first_trades.test_one_that_is_not_bought_is_no_success_though_it_is_less_than_a_share,
)
def a_share_off() -> Iterator[None]:
    with patch.object(runs, "_tolerance", lambda run, line, policy: policy.qty_tolerance):
        yield
