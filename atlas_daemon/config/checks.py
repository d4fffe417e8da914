"""What keys mean for each other: relations that no single key can break alone.

Lives here: one rule per relation, each naming both keys and their sources. May not live here:
ranges of a single key (its definition), addresses and keys (identity).
"""

from collections.abc import Iterator, Mapping

from atlas_daemon.core.values import AccountMode

from .definitions import KEYS
from .sources import DEFAULT, Found, refuse, refused, shown

LIVE_DEFAULT = "default in live"
_SESSION_S = 23_400
"""A regular session, 9:30 to 16:00."""
_NOT_ABOVE = (
    ("risk.max_position_pct", "risk.max_total_allocation"),
    ("risk.drift_band_pct", "risk.price_band_pct"),
    ("reconcile.every_s", "reconcile.idle_every_s"),
)


def with_mode_defaults(found: Mapping[str, Found]) -> dict[str, Found]:
    """Return `found` with the defaults that depend on the mode: live manages what it bought."""
    manage = found["account.manage"]
    if found["account.mode"].value == AccountMode.LIVE and manage.origin == DEFAULT:
        return {**found, "account.manage": Found("bought", LIVE_DEFAULT, manage.folder)}
    return dict(found)


def check_relations(found: Mapping[str, Found]) -> None:
    """Refuse values that contradict each other. Raises ConfigError with every contradiction."""
    refuse([*_live(found), *_schedule(found), *_bounds(found)])


def open_delay_min(at: str) -> int:
    """Return the minutes of `open+5m`."""
    return int(at.removeprefix("open+").removesuffix("m"))


def _live(found: Mapping[str, Found]) -> Iterator[str]:
    if found["account.mode"].value != AccountMode.LIVE:
        return
    because = f'because account.mode = "live" ({found["account.mode"].origin})'
    number = found["account.number"]
    if not number.value:
        wanted = f"the number of the live account, {because}"
        yield str(refused(KEYS["account.number"], number.value, wanted, number.origin))
    regime = found["regime.source"]
    if regime.value.startswith("fixed:"):
        wanted = f'"jump_model" or "file:PATH", {because}'
        yield str(refused(KEYS["regime.source"], regime.value, wanted, regime.origin))


def _schedule(found: Mapping[str, Found]) -> Iterator[str]:
    at, left = found["rebalance.at"], found["rebalance.min_session_left_s"]
    if open_delay_min(at.value) * 60 + left.value > _SESSION_S:
        yield (
            f"{_both(found, 'rebalance.at', 'rebalance.min_session_left_s')}: "
            f"together they must fit into a session of {_SESSION_S} s"
        )


def _bounds(found: Mapping[str, Found]) -> Iterator[str]:
    for lower, upper in _NOT_ABOVE:
        if found[lower].value > found[upper].value:
            yield f"{_both(found, lower, upper)}: {lower} must be at most {upper}"


def _both(found: Mapping[str, Found], *names: str) -> str:
    said = [
        f"{name} = {shown(KEYS[name], found[name].value)} ({found[name].origin})" for name in names
    ]
    return " and ".join(said)
