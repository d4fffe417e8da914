"""What a live account is charged and credited: fees in the evening, interest by the month."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.paper.exchange import charges
from atlas_daemon.paper.exchange.accounts import Account
from atlas_daemon.paper.exchange.charges import LikeLive
from atlas_daemon.paper.exchange.orders import Activity
from tests.paper.sockets import running
from tests.paper.world import CLOSE, NOON, SECOND, World

EVENING_BELL = datetime(2024, 2, 2, 1, tzinfo=UTC)  # 20:00 New York, 1 February
D = Decimal


def an_account(**changes):
    return Account("id", "PA3C8I8RRUBZ", "key", "secret", D(10000), NOON, **changes)


def a_sell(account, at, qty, price):
    line = Activity(
        id="x::y", kind="FILL", at=at, symbol="SPY", side="sell", qty=D(qty), price=D(price)
    )
    account.activities.append(line)


def test_fees_are_those_of_a_recorded_day():
    # 1572 shares in 89 sells for $185271.37 on 8 September 2026: REG 3.82, TAF 0.31.
    account, at = an_account(), datetime(2026, 9, 8, 18, tzinfo=UTC)
    a_sell(account, at, 1, "185271.37")
    a_sell(account, at, 5, 0)
    for _ in range(87):
        a_sell(account, at, 18, 0)
    fees = charges.fees_of(account, at)
    assert [(fee.sub_type, fee.amount) for fee in fees] == [("REG", D("3.82")), ("TAF", D("0.31"))]
    text = "REG fee for proceed of $185271.37 on 2026-09-08 by PA3C8I8RRUBZ"
    assert fees[0].description == text
    text = "TAF fee for proceed of 1572 shares (89 trades) on 2026-09-08"
    assert fees[1].description == text


@pytest.mark.parametrize(
    ("day", "reg", "taf"),
    [
        (date(2020, 6, 1), "22.10", "0.12"),
        (date(2021, 3, 1), "5.10", "0.12"),
        (date(2022, 6, 1), "22.90", "0.13"),
        (date(2024, 2, 1), "8.00", "0.17"),
        (date(2024, 5, 22), "27.80", "0.17"),
        (date(2026, 4, 3), None, "0.20"),
        (date(2026, 4, 4), "20.60", "0.20"),
        (date(2027, 1, 4), "20.60", "0.24"),
    ],
)
def test_rates_are_those_of_their_day(day, reg, taf):
    account = an_account()
    at = datetime(day.year, day.month, day.day, 18, tzinfo=UTC)
    a_sell(account, at, 1000, 1000)  # a million dollars
    found = {fee.sub_type: fee.amount for fee in charges.fees_of(account, at)}
    assert found == {k: D(v) for k, v in (("REG", reg), ("TAF", taf)) if v}


def test_the_taf_of_one_sell_has_a_cap():
    account, at = an_account(), datetime(2024, 2, 1, 18, tzinfo=UTC)
    a_sell(account, at, 1_000_000, "0.01")
    assert charges.fees_of(account, at)[-1].amount == D("8.30")


def test_fees_are_charged_in_the_evening_once_and_only_where_switched_on():
    for is_on, kinds in ((False, []), (True, ["REG", "TAF"])):
        world = World(holdings={"SPY": "50"})
        world.exchange.engine.like_live = LikeLive(fees=is_on)
        world.submit(side="sell", qty="50")
        world.go_to(CLOSE + SECOND)
        assert world.account.cash == D(10000) + 50 * D("99.90")
        world.go_to(EVENING_BELL + timedelta(hours=30))
        fees = [a for a in world.account.activities if a.kind == "FEE"]
        assert [fee.sub_type for fee in fees] == kinds
        assert all(fee.at == EVENING_BELL and fee.day == date(2024, 2, 1) for fee in fees)
        # 4995 dollars at 8.00 a million, 50 shares at 0.000166: both rounded up.
        assert [fee.net_amount for fee in fees] == [D("-0.04"), D("-0.01")][: len(kinds)]
        assert world.account.cash == D(10000) + 50 * D("99.90") - D("0.05") * bool(kinds)


def test_a_day_without_sells_costs_nothing():
    world = World()
    world.exchange.engine.like_live = LikeLive.whole()
    world.submit(qty="5")
    world.go_to(EVENING_BELL)
    assert [a.kind for a in world.account.activities] == ["FILL"]


@pytest.mark.parametrize(
    ("cash", "sub_type", "rate"), [("10000", "CDT", "0.02"), ("-10000", "MGN", "0.0625")]
)
def test_interest_is_counted_by_the_night_and_booked_with_the_months_last_session(
    cash, sub_type, rate
):
    world = World(cash=cash)
    world.exchange.engine.like_live = LikeLive(interest=True)
    world.go_to(datetime(2024, 3, 1, tzinfo=UTC))
    assert world.account.activities == []
    world.go_to(datetime(2024, 3, 1, 1, tzinfo=UTC))
    (booked,) = world.account.activities
    nights = (date(2024, 3, 1) - date(2024, 2, 1)).days
    assert booked.net_amount == (D(cash) * D(rate) * nights / 360).quantize(D("0.01"))
    assert (booked.kind, booked.sub_type, booked.day) == ("INT", sub_type, date(2024, 2, 29))
    assert world.account.cash == D(cash) + booked.net_amount


@pytest.mark.asyncio
async def test_the_account_shows_what_is_not_charged_yet():
    async with running(like_live=LikeLive.whole()) as client:
        await client.order(side="sell", qty="5")
        await client.wait()
        shown = await client.get("/v2/account")
        assert (shown["pending_reg_taf_fees"], shown["accrued_fees"]) == ("0.02", "0.02")
        client.go_to(EVENING_BELL)
        shown = await client.get("/v2/account")
        assert shown["pending_reg_taf_fees"] == "0"
        assert shown["cash"] == "10499.48"
        lines = await client.get("/v2/account/activities/FEE")
        keys = {
            "activity_type",
            "activity_sub_type",
            "created_at",
            "currency",
            "date",
            "description",
            "id",
            "net_amount",
            "status",
        }
        assert all(set(line) == keys for line in lines)
        assert lines[0]["id"].startswith("20240201000000000::")
        assert lines[0]["created_at"] == "2024-02-02T01:00:00Z"
        assert lines[0]["date"] == "2024-02-01"


@pytest.mark.asyncio
async def test_it_can_be_switched_on_while_the_broker_runs():
    async with running() as client:
        await client.order(side="sell", qty="5")
        answer = await client.ask("POST", "/_admin/like-live", json={"fees": True})
        assert answer == (200, {"dividends": False, "fees": True, "interest": False})
        client.go_to(EVENING_BELL)
        assert len(await client.get("/v2/account/activities/FEE")) == 2
        wrong = await client.ask("POST", "/_admin/like-live", json={"weather": True})
        assert wrong[0] == 422
