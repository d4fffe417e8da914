"""A small made-up dry run: keyword overrides over sane defaults. Order session 2024-02-01."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from atlas_daemon.core.brain import SignalsAnswer
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.values import AccountMode, Pick, Regime
from atlas_daemon.rehearsal.dry_run import rehearse
from atlas_daemon.rehearsal.scenes import made_up_scene, on_date

SIGNAL_DAY = date(2024, 1, 31)
ORDER_DAY = date(2024, 2, 1)
CLOSES = {"AAA": Decimal(100), "BBB": Decimal(95), "CCC": Decimal(80), "SPY": Decimal(480)}
WHEN = on_date(ORDER_DAY, Policy())


def an_answer(*picked, **changes):
    """Equal weights for the symbols picked, AAA and BBB unless told."""
    names = picked or ("AAA", "BBB")
    picks = tuple(
        Pick(name, Decimal(1) / len(names), CLOSES.get(name), Decimal("0.99")) for name in names
    )
    defaults = {
        "signal_day": SIGNAL_DAY,
        "picks": picks,
        "closes": CLOSES,
        "refused": (),
        "candidates": 3,
        "notes": (),
        "regime": Regime.TREND_NEUTRAL,
        "regime_as_of": SIGNAL_DAY,
    }
    return SignalsAnswer(**(defaults | changes))


def a_scene(answer=None, cash="10000", held=None, **changes):
    holdings = {symbol: Decimal(qty) for symbol, qty in (held or {}).items()}
    return replace(made_up_scene(WHEN, answer or an_answer(), Decimal(cash), holdings), **changes)


def a_dry_run(answer=None, policy=None, scene=None, **account):
    answer = answer or an_answer()
    return rehearse(
        scene or a_scene(answer, **account), answer, policy or Policy(), "LARGE", AccountMode.LOCAL
    )


def orders_of(dry_run):
    return [(str(f.draft.side), f.draft.symbol, f.draft.qty) for f in dry_run.fills]


def targets_of(dry_run):
    return {line.symbol: line.target_qty for line in dry_run.plan.lines}
