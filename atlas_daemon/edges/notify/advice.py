"""Every key of an alert: what it means, what the daemon does by itself, what a person types.

Written for somebody who was woken by it. docs/alerts.md is made of this table
(`python -W ignore -m atlas_daemon.edges.notify.advice`), and a test holds both to what the code can
raise. May not live here: when something is told.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from .notice import Severity

LEVELS: Mapping[str, Severity] = {
    "info": Severity.INFO,
    "warning": Severity.WARNING,
    "error": Severity.WARNING,
    "critical": Severity.CRITICAL,
}
"""What a level of the log is to a person: an error prevented something, and can wait till morning.
An unknown level is critical."""


@dataclass(frozen=True, slots=True)
class Advice:
    """What stands beside a notice in its message."""

    meaning: str
    by_itself: str
    to_do: str
    quiet: frozenset[str] = frozenset()
    """Levels that are on record and told to nobody."""
    is_state: bool = False
    """It lasts until something ends it: other words under the same key are a change of it."""
    is_urgent: bool = False
    """An error of it is critical to a person: the rebalance itself did not happen."""


_LOOK = "atlasd status"
_QUIET_INFO = frozenset({"info"})

ADVICE: Mapping[str, Advice] = {
    # A rebalance.
    "started": Advice(
        "A rebalance begins.",
        "it sells, then buys, and tells the result in a second message",
        "nothing; to stop it: atlasd stop",
    ),
    "run": Advice(
        "A rebalance ended, or will not end by itself.",
        "degraded: it goes on in the next session; done: it waits for the next slot; "
        "manual intervention required: it does nothing more for this slot",
        "degraded or manual: atlasd status, then the listed lines by hand or "
        "atlasd rebalance --force",
    ),
    "gate": Advice(
        "A limit said no to a whole plan.",
        "not one order was sent; the same slot is tried again while it may be caught up",
        "atlasd plan shows each gate with its figure and its limit; change the limit or the "
        "account, then wait or atlasd rebalance",
        quiet=frozenset({"info", "warning"}),
        is_urgent=True,
    ),
    "line": Advice(
        "Symbols left the rebalance: no believable price, not tradable, or somebody else's order.",
        "the other lines go on; these are neither bought nor sold in this run",
        "atlasd status names the reason; trade them by hand if you want them",
    ),
    "round": Advice(
        "A part of the orders did not fill.",
        "what is missing is planned and sent again",
        "nothing",
        quiet=frozenset({"info", "warning"}),
    ),
    "refused": Advice(
        "A limit said no to a single order.",
        "the order is not sent, the others are",
        "atlasd orders shows the rule; nothing needs to be done for a cap that works",
    ),
    "slot": Advice(
        "A rebalance date has passed without a rebalance.",
        "it does nothing more for it and waits for the next date",
        "atlasd status for the reason; atlasd rebalance --force makes up for it",
    ),
    "signals": Advice(
        "The strategy gives no answer, so nobody knows what to buy.",
        "it asks again every few minutes and sends no order before there is one",
        "atlasd plan shows the failure; often the market data's address, keys or files",
        is_state=True,
    ),
    "regime": Advice(
        "The market regime changed, or nobody knows it.",
        "CRASH: no more buys, open buys cancelled; otherwise the next rebalance uses it",
        "nothing; atlasd regime history shows how it came about",
        is_state=True,
    ),
    # Real money.
    "certificate": Advice(
        "Live: the certificate does not count, so nothing is bought.",
        "it watches, stops, and sells on CRASH; the file is looked at every second",
        "the message says why; prove what is missing on paper, then atlasd promote",
        is_state=True,
    ),
    "certificate_expiry": Advice(
        "Live: the certificate ends soon, or before the next rebalance does.",
        "until then nothing changes; after it nothing is bought",
        "renew it: atlasd doctor, atlasd drill, three times atlasd rebalance --force on paper, "
        "then atlasd promote",
    ),
    "scale": Advice(
        "Live: how much of normal sizes is deployed was changed.",
        "the next rebalance goes by it",
        "nothing, if it was you; atlasd scale shows it",
    ),
    # Stops.
    "halt": Advice(
        "Trading is stopped, or goes on after a stop.",
        "stopped: no order leaves, open orders are cancelled until none is seen, also over "
        "restarts",
        "atlasd status; when the reason is gone: atlasd resume",
        is_state=True,
    ),
    "latch": Advice(
        "The stop could not be written to the disk, or not be taken off it.",
        "the stop holds in memory, and at the broker where that is possible",
        "make room on the disk or make it writable; do not restart before",
        is_state=True,
    ),
    "suspend": Advice(
        "The broker's own switch (suspend_trade) is or was on: it refuses every order.",
        "it clears only what it has set itself",
        "set by somebody else: take it off at the broker, or atlasd resume --lift-suspension",
        is_state=True,
    ),
    "flatten": Advice(
        "The stop sells what is held, as emergency.action says.",
        "it sells in market hours only, until nothing is left",
        "atlasd status shows what is left; atlasd resume ends it",
        is_state=True,
    ),
    "crash": Advice(
        "The daemon ended by a fault of its own.",
        "it is started again and goes on where it was; after three such ends in ten minutes it "
        "comes up halted",
        "keep errors_*.log of that day and report it; halted: atlasd resume",
    ),
    # The broker.
    "broker": Advice(
        "The broker has not answered for a while.",
        "it asks on and sends no order before it has seen the account again",
        "usually nothing; see the broker's status page, then this machine's network",
        is_state=True,
    ),
    "credentials": Advice(
        "The broker refuses our keys.",
        "no order leaves; the keys are tried again at a slow pace",
        "make new keys at the broker, put them in place, and restart the daemon",
        is_state=True,
    ),
    "account": Advice(
        "The broker has blocked trading for this account.",
        "it sends no order until the block is gone",
        "ask the broker; the account's page there names the reason",
        is_state=True,
    ),
    "stream": Advice(
        "The broker's stream of order news is refused or mute.",
        "it asks for the news instead, every two seconds while orders are open",
        "refused for longer than three minutes: look for a second daemon on the same account",
        is_state=True,
    ),
    "calendar": Advice(
        "The broker's trading days differ from ours.",
        "no rebalance begins while they differ; they are compared again twice a day",
        "an extraordinary closure: a newer version knows it; until then trade by hand",
        is_state=True,
    ),
    "frame": Advice(
        "The broker sent news that could not be read.",
        "every open order is asked after instead",
        "once: nothing; again and again: look for a newer version",
    ),
    "order status": Advice(
        "The broker uses a word for an order that this version does not know.",
        "the order counts as open until its end is seen",
        "look for a newer version",
    ),
    "clock": Advice(
        "The broker's clock and this machine's differ.",
        "by a little: nothing; by more than a limit: nothing is bought until they agree",
        "set this machine's clock (timedatectl; chrony or systemd-timesyncd must run)",
        is_state=True,
    ),
    # Upkeep.
    "doctor": Advice(
        "The nightly look found something that would spoil the next rebalance, or could not look.",
        "it looks again every night, and an hour before the rebalance",
        "atlasd doctor shows each finding and what to do about it",
        is_state=True,
    ),
    "report": Advice(
        "The daily line could not be told.",
        "it is in the log; the next one comes tomorrow",
        "atlasd notify test",
    ),
    "logs": Advice(
        "The log files could not be archived or removed.",
        "it tries again tomorrow",
        "look at the log folder's space and rights",
        is_state=True,
    ),
    "daily": Advice(
        "The line of the day, where notify.daily is on.",
        "nothing",
        "nothing; a day without it means that the daemon does not run",
    ),
    # The books.
    "drift": Advice(
        "A quantity differs from the broker's, and nothing explains it.",
        "that symbol is frozen: neither bought nor sold; the others go on",
        "find out who traded; then atlasd adopt SYMBOL takes the broker's quantity",
    ),
    "cash": Advice(
        "Our cash differs from the broker's, and nothing explains it.",
        "the lower figure counts",
        "compare with the broker's account activities; nothing needs to be typed",
    ),
    "activities": Advice(
        "What would explain a difference cannot be read from the broker.",
        "it asks again; while the books differ it buys nothing",
        "usually nothing",
        is_state=True,
    ),
    "activity": Advice(
        "The account shows an activity that explains nothing.",
        "it is on record; the books are compared as always",
        "nothing",
        quiet=frozenset({"info", "warning"}),
    ),
    "manual trade": Advice(
        "Somebody else traded in this account.",
        "the books follow the trade",
        "nothing, if it was you",
    ),
    "foreign": Advice(
        "An order that is not ours rests at the broker.",
        "that symbol waits; with our prefix it means a second daemon, and this one buys nothing",
        "cancel it at the broker, or let it end; stop the second daemon",
    ),
    "order": Advice(
        "An order of ours is not what the journal says of it.",
        "the broker's figures are followed; what is beyond doubt goes on",
        "atlasd orders; compare with the broker's page; atlasd adopt SYMBOL where it is frozen",
    ),
    "execution": Advice(
        "The broker told one execution twice, with different figures.",
        "neither is believed: the order's own total is asked for and counts",
        "compare with the broker's page of that order",
    ),
}


def advice_of(key: str) -> Advice:
    """Return the row of a key; one without a row is told all the same."""
    return ADVICE.get(key, Advice("", "", _LOOK))


def severity_of(level: str, key: str) -> Severity | None:
    """Return how urgent a level is to a person; None where it is told to nobody."""
    advice = advice_of(key)
    if level in advice.quiet:
        return None
    if level == "error" and advice.is_urgent:
        return Severity.CRITICAL
    return LEVELS.get(level, Severity.CRITICAL)


def table() -> Iterator[str]:
    """Yield the lines of the table in docs/alerts.md."""
    yield "| key | what it means | what the daemon does by itself | what to do |"
    yield "|---|---|---|---|"
    for key, advice in ADVICE.items():
        quiet = f" Not sent: {', '.join(sorted(advice.quiet))}." if advice.quiet else ""
        by_itself, to_do = _sentence(advice.by_itself), _sentence(advice.to_do)
        yield f"| `{key}` | {advice.meaning}{quiet} | {by_itself}. | {to_do}. |"


def _sentence(words: str) -> str:
    marked = re.sub(r"\batlasd [a-z]+( (--[a-z-]+|[A-Z]{3,}|history|test))*", r"`\g<0>`", words)
    return marked[:1].upper() + marked[1:]


if __name__ == "__main__":
    sys.stdout.write("\n".join(table()) + "\n")
