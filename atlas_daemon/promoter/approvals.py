"""What a person approves before real money is used, and under which name it is on record."""

from collections.abc import Iterator

from atlas_daemon.config import KEYS, Settings

RISK_LIMITS, LIVE = "risk-limits", "live"
WHAT = (RISK_LIMITS, LIVE)

_LIMITS = (
    "account.capital",
    "account.manage",
    "account.protected",
    "strategy.top_n",
    "strategy.weighting",
    "regime.react",
    "execution.order_type",
    "execution.limit_band_pct",
    "emergency.action",
)
"""Keys beside [risk] that bound what may happen."""


def approval_name(what: str, live: Settings) -> str:
    """Return the name of an approval on record: it is of one live account."""
    return f"{what}-{live.account.number}"


def limits_of(live: Settings) -> Iterator[tuple[str, str]]:
    """Yield name and value of every key that bounds what may happen to the account."""
    for name, key in KEYS.items():
        if key.section in ("risk", "live") or name in _LIMITS:
            yield name, live.shown(name)


RISKS = (
    "Orders use real money. Prices move between a decision and its fill.",
    "The holdings can lose most of their worth; nothing here promises a gain.",
    "A stop cancels orders; it does not undo fills, and sells only where emergency.action says so.",
    "Paper fills flatter: no queue, no market impact, no real liquidity.",
    "You remain responsible: for the watch over it, for the host, and for taxes.",
)
"""What a person has to have read."""


def approved(what: str, live: Settings) -> str:
    """Return how the text of an approval ends: with the very limits that a person has seen."""
    return f": {said(what, live)}"


def said(what: str, live: Settings) -> str:
    """Return what is put on record of an approval: the figures, the longer list cut to them."""
    if what == LIVE:
        return "the risks are understood"
    return ", ".join(
        f"{name.partition('.')[2]} {value}"
        for name, value in limits_of(live)
        if name.startswith(("risk.", "live.")) or name == "account.capital"
    )
