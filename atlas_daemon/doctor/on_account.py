"""Judgements on what the broker says of the account: keys, number, blocks, latch, budget."""

from collections.abc import Iterator
from decimal import Decimal

from atlas_daemon.config import Settings
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.core.values import Account
from atlas_daemon.edges.alpaca.faults import NoVerdictError
from atlas_daemon.edges.alpaca.wire import Configurations

from .asking import Known, NotKnown, Reply, not_known
from .readonly import BudgetLowError, ThriftyBudget

LEFT_RED, LEFT_WARN = Decimal("0.1"), Decimal("0.3")
"""Parts of the minute's requests: the first is kept for cancels, the second a run may need."""


def on_keys(
    settings: Settings, found: Reply[str], account: Reply[Account], url: str
) -> Iterator[Finding]:
    """Judge the keys (`found`: where they were found) and whether the broker knows them."""
    names = f"ALPACA_{settings.account.name}_KEY and ALPACA_{settings.account.name}_SECRET"
    if isinstance(found, NotKnown):
        yield Finding("keys", Level.RED, found.why, f"give {names}, then `atlasd doctor` again")
        return
    said = f"{settings.account.mode} keys ({found.value})"
    match account:
        case Known(value=value):
            yield Finding("broker", Level.OK, f"{url} answers")
            yield Finding("keys", Level.OK, f"{said} open account {value.number}")
        case NotKnown(error=NoVerdictError()):
            yield Finding("broker", Level.OK, f"{url} answers")
            text = f"the broker refuses the {said}"
            yield Finding("keys", Level.RED, text, f"make new ones at the broker and set {names}")
        case NotKnown(error=BudgetLowError()):
            yield not_known("keys", account)
        case NotKnown():
            advice = "is this machine online? The daemon goes on trying by itself"
            yield Finding("broker", Level.RED, f"{url} cannot be asked: {account.why}", advice)
            yield Finding("keys", Level.WARN, f"not known whether the {said} are good")


def is_config_error(found: Reply[str]) -> bool:
    """True where the keys themselves are missing, halved or another world's."""
    return isinstance(found, NotKnown) and isinstance(found.error, ConfigError)


def on_number(settings: Settings, kept: str, account: Account) -> Iterator[Finding]:
    """Compare the account's number with the one configured, or else with the journal's (`kept`)."""
    wanted = settings.account.number or kept
    where = settings.origin("account.number") if settings.account.number else "the journal"
    if not wanted:
        yield Finding(
            "number",
            Level.OK,
            f"the keys open account {account.number}; none is pinned yet",
            f'set account.number = "{account.number}" so that other keys are refused',
        )
    elif wanted == account.number:
        yield Finding("number", Level.OK, f"account {account.number}, as {where} says")
    else:
        yield Finding(
            "number",
            Level.RED,
            f"the keys open account {account.number}, and {where} says {wanted}",
            "give the keys of that account, or another state folder for this one",
        )


def on_blocks(account: Account) -> Iterator[Finding]:
    """Judge the account's status and what the broker holds against its trading."""
    blocks = {
        f"its status is {account.status}": account.status != "ACTIVE",
        "trading is blocked": account.trading_blocked,
        "the account is blocked": account.account_blocked,
    }
    if off := [words for words, is_so in blocks.items() if is_so]:
        text = f"the broker lets account {account.number} not trade: {', '.join(off)}"
        yield Finding("account", Level.RED, text, "ask the broker why; no order would be taken")
    else:
        yield Finding("account", Level.OK, f"{account.status}, free to trade")


def on_suspension(account: Account, configurations: Reply[Configurations]) -> Iterator[Finding]:
    """Judge the broker's own latch, suspend_trade: while it is on every order is refused."""
    is_on = account.suspended_by_user
    if isinstance(configurations, Known):
        is_on = is_on or configurations.value.suspend_trade
    elif not is_on:
        yield not_known("suspend_trade", configurations)
        return
    if is_on:
        yield Finding(
            "suspend_trade",
            Level.RED,
            "suspend_trade is on at the broker: it refuses every order, sells too",
            "`atlasd resume`, or switch it off in the broker's account settings",
        )
    else:
        yield Finding("suspend_trade", Level.OK, "off at the broker")


def on_budget(budget: ThriftyBudget) -> Iterator[Finding]:
    """Judge how many of the minute's requests the account has left."""
    left, limit = budget.told_left, budget.told_limit
    who = "does another program use this account? A run beside this look spends them too"
    if budget.was_refused:
        yield Finding("budget", Level.RED, "the account's requests are spent: HTTP 429", who)
        return
    if left is None or not limit:
        yield Finding("budget", Level.WARN, "not known: the broker does not count for us")
        return
    level, share = Level.OK, Decimal(left) / limit
    if share < LEFT_WARN:
        level = Level.RED if share < LEFT_RED else Level.WARN
    text = f"{left} of {limit} requests of this minute are left"
    yield Finding("budget", level, text, "" if level is Level.OK else who)
