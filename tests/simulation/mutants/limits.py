"""Bugs about how much: cash, caps, the regime, prices, and when a buy may go at all."""

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from atlas_daemon.core import drafts, gates, plan, planner, pricing, rules, submitter
from atlas_daemon.core.rules import Verdict
from atlas_daemon.core.values import Mode, Regime
from atlas_daemon.edges.alpaca import wire
from tests.simulation.mutants.planting import planted
from tests.simulation.mutants.worlds import Focused

CREDIT = "the account buys on credit"


def _yes(*words: Any, **more: Any) -> Verdict:
    return Verdict("rule", True, "", "", "")


@planted("buying power is cash", CREDIT)
def on_margin() -> Iterator[None]:
    read = wire.account

    def lent(body: bytes) -> Any:
        account = read(body)
        return replace(account, cash=account.buying_power)

    with patch.object(wire, "account", lent):
        yield


@planted("the cash that open buys need is spent again", CREDIT)
def unreserved() -> Iterator[None]:
    make, buys = gates.Room.__init__, drafts.buy_drafts

    def room(self: Any, state: Any, draft: Any, policy: Any) -> None:
        make(self, replace(state, orders={}), draft, policy)

    def drafted(state: Any, *more: Any) -> Any:
        return buys(replace(state, orders={}), *more)

    with patch.object(gates.Room, "__init__", room), patch.object(planner, "buy_drafts", drafted):
        yield


@planted(
    "buys are sized on what the sells should bring",
    CREDIT,
    world=Focused(chances={"broker_cancel": 0.3, "reject": 0.3}),
)
def expected_cash() -> Iterator[None]:
    buys = drafts.buy_drafts

    def richer(state: Any, run: Any, *more: Any) -> Any:
        lines = run.plan.lines if run.plan is not None else ()
        brought = sum(
            ((x.current_qty - x.target_qty) * x.price for x in lines
             if x.price is not None and x.target_qty < x.current_qty), Decimal(0),
        )  # fmt: skip
        snapshot = state.figures.snapshot
        cash = run.plan.cash + brought
        account = replace(snapshot.account, cash=cash, buying_power=cash)
        figures = replace(state.figures, snapshot=replace(snapshot, account=account))
        book = replace(state.book, cash=cash)
        return buys(replace(state, figures=figures, book=book), run, *more)

    with (
        patch.object(planner, "buy_drafts", richer),
        patch.object(rules, "cash_only", _yes),
        patch.object(rules, "buying_power", _yes),
    ):
        yield


@planted(
    "the cap on a position is not asked",
    "one share may become the whole portfolio",
    world=Focused(picks=4),
)
def no_cap() -> Iterator[None]:
    size = plan.size_lines

    def uncapped(*words: Any, max_position_pct: Any, **more: Any) -> Any:
        return size(*words, max_position_pct=Decimal(1), **more)

    with patch.object(plan, "size_lines", uncapped), patch.object(rules, "position_size", _yes):
        yield


@planted("the regime's allocation is not asked", "a bear market finds everything invested")
def no_regime() -> Iterator[None]:
    whole = {regime: Decimal(regime is not Regime.CRASH) for regime in Regime}
    with patch.object(plan, "ALLOCATION", whole), patch.object(rules, "regime_compliance", _yes):
        yield


@planted(
    "a price is a price, however old",
    "orders are sized on a market that is gone",
    world=Focused(chances={"slow_fill": 0.9, "error_500": 0.62}),
)
def old_prices() -> Iterator[None]:
    with patch.object(pricing, "_is_young", lambda at, now, policy: True):
        yield


@planted(
    "any price is believed",
    "a bad tick decides how much is bought",
    world=Focused(chances={"odd_quote": 0.4, "slow_fill": 0.5}),
)
def any_price() -> Iterator[None]:
    price_of = pricing.price_of

    def believed(quote: Any, close: Any, now: Any, policy: Any) -> Any:
        return price_of(quote, None, now, replace(policy, max_spread_pct=Decimal(9)))

    with (
        patch.object(drafts, "price_of", believed),
        patch.object(planner, "price_of", believed),
        patch.object(submitter, "price_of", believed),
    ):
        yield


@planted(
    "buys do not wait until the books agree", "a portfolio nobody has looked at is bought into"
)
def any_mode() -> Iterator[None]:
    release = planner._release_buys

    def at_once(state: Any, run: Any, policy: Any) -> Iterator[Any]:
        yield from release(replace(state, mode=Mode.TRADING), run, policy)

    with (
        patch.object(planner, "_release_buys", at_once),
        patch.object(gates, "mode_allows", _yes),
        patch.object(submitter, "mode_allows", _yes),
    ):
        yield
