"""What a live account is charged and credited besides its trades: regulatory fees and interest.

Pure functions on an account. Alpaca's papers say that paper trading has none of it, so each is
switched on by `LikeLive` only, at any time. Dividends are the companies' (`corporate`); their
switch is here too.

Rates by date. REG is the SEC's fee under section 31 of the Exchange Act, on the dollars of all
sells (SEC fee rate advisories). TAF is FINRA's trading activity fee, on the shares of each sell up
to a cap (FINRA By-Laws, Schedule A, section 1, and SR-FINRA-2024-019 for 2026 to 2028). Both are
summed over a day, rounded up to a cent, and booked in its evening, as Alpaca's page on regulatory
fees says.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import ROUND_UP, Decimal

from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.bookings import move_money
from atlas_daemon.paper.exchange.orders import CENT, ZERO, Activity
from atlas_daemon.paper.exchange.refusals import plain
from atlas_daemon.paper.market.calendar import NEW_YORK

_MILLION = Decimal(1_000_000)
_REG: tuple[tuple[date, Decimal], ...] = (
    (date.min, Decimal("22.10")),
    (date(2021, 2, 25), Decimal("5.10")),
    (date(2022, 5, 14), Decimal("22.90")),
    (date(2023, 2, 27), Decimal("8.00")),
    (date(2024, 5, 22), Decimal("27.80")),
    (date(2025, 5, 14), ZERO),
    (date(2026, 4, 4), Decimal("20.60")),
)
"""Dollars for each million of dollars sold, from a day on."""
_TAF: tuple[tuple[date, Decimal, Decimal], ...] = (
    (date.min, Decimal("0.000119"), Decimal("5.95")),
    (date(2022, 1, 1), Decimal("0.000130"), Decimal("6.49")),
    (date(2023, 1, 1), Decimal("0.000145"), Decimal("7.27")),
    (date(2024, 1, 1), Decimal("0.000166"), Decimal("8.30")),
    (date(2026, 1, 1), Decimal("0.000195"), Decimal("9.79")),
    (date(2027, 1, 1), Decimal("0.000232"), Decimal("11.61")),
    (date(2028, 1, 1), Decimal("0.000240"), Decimal("12.05")),
)
"""Dollars for each share sold, and the most for one sell, from a day on."""
_FEE_SUB_TYPES = ("REG", "TAF")
_YEAR_DAYS = 360


@dataclass
class LikeLive:
    """What of a live account is acted out; may be changed while the broker runs.

    Rates are fractions a year, of a year of 360 days.
    """

    fees: bool = False
    dividends: bool = False
    interest: bool = False
    margin_rate: Decimal = Decimal("0.0625")
    credit_rate: Decimal = Decimal("0.02")

    @classmethod
    def whole(cls) -> LikeLive:
        """All of it."""
        return cls(fees=True, dividends=True, interest=True)


@dataclass(frozen=True, slots=True)
class Fee:
    """One regulatory fee of one day, in dollars above 0."""

    sub_type: str
    amount: Decimal
    description: str


def fees_of(account: Account, at: datetime) -> list[Fee]:
    """What the sells of `at`'s New York day cost; nothing once that has been charged."""
    day = at.astimezone(NEW_YORK).date()
    midnight = datetime.combine(day, time(), NEW_YORK).astimezone(UTC)
    sells = _sells_since(account, midnight, day)
    if not sells:
        return []
    proceeds = sum(((s.qty or ZERO) * (s.price or ZERO) for s in sells), ZERO)
    shares = sum((s.qty or ZERO for s in sells), ZERO)
    _, rate, cap = _TAF[bisect_right(_TAF, day, key=lambda row: row[0]) - 1]
    reg = proceeds * _REG[bisect_right(_REG, day, key=lambda row: row[0]) - 1][1] / _MILLION
    taf = sum((min((s.qty or ZERO) * rate, cap) for s in sells), ZERO)
    fees = (
        Fee(
            "REG",
            reg.quantize(CENT, ROUND_UP),
            f"REG fee for proceed of ${proceeds.quantize(CENT)} on {day} by {account.number}",
        ),
        Fee(
            "TAF",
            taf.quantize(CENT, ROUND_UP),
            f"TAF fee for proceed of {plain(shares)} shares ({len(sells)} trades) on {day}",
        ),
    )
    return [fee for fee in fees if fee.amount]


def charge_fees(account: Account, at: datetime) -> None:
    """Take the day's regulatory fees, one activity for each kind."""
    for fee in fees_of(account, at):
        move_money(
            account,
            "FEE",
            -fee.amount,
            at,
            description=fee.description,
            sub_type=fee.sub_type,
        )


def accrue_interest(account: Account, day: date, next_day: date, like: LikeLive) -> None:
    """Count the nights from one session's close to the next one's day, on the cash of the close."""
    nights = (next_day - day).days
    if account.cash < 0:
        account.accrued_margin_interest += account.cash * like.margin_rate * nights / _YEAR_DAYS
    else:
        account.accrued_credit_interest += account.cash * like.credit_rate * nights / _YEAR_DAYS


def post_interest(account: Account, at: datetime) -> None:
    """Book what a month has accrued: margin interest (MGN) and credit interest (CDT) apart."""
    month = f"{at.astimezone(NEW_YORK):%B %Y}"
    for sub_type, accrued in (
        ("MGN", account.accrued_margin_interest),
        ("CDT", account.accrued_credit_interest),
    ):
        if accrued.quantize(CENT):
            text = f"{month} {'Margin' if sub_type == 'MGN' else 'Credit'} Interest"
            move_money(account, "INT", accrued, at, description=text, sub_type=sub_type)
    account.accrued_margin_interest = account.accrued_credit_interest = ZERO


def _sells_since(account: Account, begins_at: datetime, day: date) -> list[Activity]:
    """The day's sells that have not been charged yet."""
    sells: list[Activity] = []
    for entry in reversed(account.activities):
        if entry.at < begins_at:
            break
        if entry.kind == "FEE" and entry.sub_type in _FEE_SUB_TYPES and entry.day == day:
            break
        if entry.kind == "FILL" and entry.side == "sell":
            sells.append(entry)
    return sells
