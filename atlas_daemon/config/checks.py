"""What keys mean for each other: relations that no single key can break alone.

Lives here: one rule per relation, each naming both keys and their sources. May not live here:
ranges of a single key (its definition), addresses and keys (identity).
"""

from collections.abc import Mapping

from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import AccountMode

from .definitions import KEYS
from .sources import DEFAULT, Found, refused, shown

_SESSION_S = 23_400
"""A regular session, 9:30 to 16:00."""


def with_mode_defaults(found: Mapping[str, Found]) -> dict[str, Found]:
    """Return `found` with the defaults that depend on the mode: live manages what it bought."""
    manage = found["account.manage"]
    if found["account.mode"].value == AccountMode.LIVE and manage.origin == DEFAULT:
        return {**found, "account.manage": Found("bought", "default in live", manage.folder)}
    return dict(found)


def check_relations(found: Mapping[str, Found]) -> None:
    """Refuse values that contradict each other. Raises ConfigError for the first."""
    _check_live(found)
    _check_schedule(found)
    _not_above(found, "risk.max_position_pct", "risk.max_total_allocation")
    _not_above(found, "risk.drift_band_pct", "risk.price_band_pct")
    _not_above(found, "reconcile.every_s", "reconcile.idle_every_s")


def open_delay_min(at: str) -> int:
    """Return the minutes of `open+5m`."""
    return int(at.removeprefix("open+").removesuffix("m"))


def _check_live(found: Mapping[str, Found]) -> None:
    if found["account.mode"].value != AccountMode.LIVE:
        return
    because = f'because account.mode = "live" ({found["account.mode"].origin})'
    number = found["account.number"]
    if not number.value:
        wanted = f"the number of the live account, {because}"
        raise refused(KEYS["account.number"], number.value, wanted, number.origin)
    regime = found["regime.source"]
    if regime.value.startswith("fixed:"):
        wanted = f'"jump_model" or "file:PATH", {because}'
        raise refused(KEYS["regime.source"], regime.value, wanted, regime.origin)


def _check_schedule(found: Mapping[str, Found]) -> None:
    at, left = found["rebalance.at"], found["rebalance.min_session_left_s"]
    if open_delay_min(at.value) * 60 + left.value > _SESSION_S:
        raise ConfigError(
            f"{_both(found, 'rebalance.at', 'rebalance.min_session_left_s')}: "
            f"together they must fit into a session of {_SESSION_S} s"
        )


def _not_above(found: Mapping[str, Found], lower: str, upper: str) -> None:
    if found[lower].value > found[upper].value:
        raise ConfigError(f"{_both(found, lower, upper)}: {lower} must be at most {upper}")


def _both(found: Mapping[str, Found], *names: str) -> str:
    said = [
        f"{name} = {shown(KEYS[name], found[name].value)} ({found[name].origin})" for name in names
    ]
    return " and ".join(said)
