"""What companies do to those who hold them: shares and money move, and activities say how."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.paper.exchange import corporate
from atlas_daemon.paper.exchange.accounts import Account, Position
from atlas_daemon.paper.exchange.bookings import cash_moved, shares_moved
from atlas_daemon.paper.exchange.charges import LikeLive
from atlas_daemon.paper.exchange.refusals import RefusedError
from atlas_daemon.paper.market.market import CorporateAction
from tests.paper.sockets import running
from tests.paper.world import NEXT_OPEN, NOON, World

D = Decimal
DAY = date(2024, 2, 2)


def held(**shares):
    account = Account("id", "PA1", "key", "secret", D(1000), NOON)
    for symbol, (qty, price) in shares.items():
        account.positions[symbol] = Position(symbol, D(qty), D(price))
    return account


def act(kind, symbol="OLD", ratio=None, amount=None, new=""):
    return CorporateAction(
        kind, symbol, DAY, D(ratio) if ratio else None, D(amount) if amount else None, new
    )


def shares(account):
    return {p.symbol: (p.qty, p.avg_entry_price) for p in account.positions.values()}


def lines(account):
    return [
        (a.kind, a.sub_type, a.symbol, a.qty, a.net_amount, a.price) for a in account.activities
    ]


def test_a_split_takes_the_old_shares_out_and_puts_the_new_ones_in():
    account = held(OLD=("10", "100"))
    corporate.apply(account, act("forward_split", ratio="4"), NOON)
    assert shares(account) == {"OLD": (D(40), D(25))}
    assert lines(account) == [
        ("SPLIT", "FSPLIT", "OLD", D(-10), D(0), D(100)),
        ("SPLIT", "FSPLIT", "OLD", D(40), D(0), D(25)),
    ]
    text = "From QTY:-10, To QTY:40, Position Value:1000"
    assert [a.description for a in account.activities] == [f"REMOVE, {text}", f"ADD, {text}"]
    assert len({a.group_id for a in account.activities}) == 1
    details = account.activities[0].details
    assert (details["old_rate"], details["new_rate"]) == ("1", "4")
    assert account.activities[0].id.startswith("20240201000000000::")


def test_a_reverse_split_may_leave_a_fraction():
    account = held(OLD=("33", "7"))
    corporate.apply(account, act("reverse_split", ratio="0.05"), NOON)
    assert shares(account) == {"OLD": (D("1.65"), D(140))}


def test_a_dividend_says_on_how_many_shares_it_was_paid():
    account = held(OLD=("113", "20"))
    corporate.apply(account, act("cash_dividend", amount="0.25"), NOON)
    (line,) = account.activities
    assert account.cash == D("1028.25")
    assert (line.qty, line.per_share, line.net_amount) == (D(113), D("0.25"), D("28.25"))
    assert line.description == "Cash DIV @ 0.25, Pos QTY: 113, Rec Date: 2024-02-02"
    assert shares_moved(line) == 0


def test_a_dividend_in_shares_leaves_the_cost_as_it_was():
    account = held(OLD=("100", "11"))
    corporate.apply(account, act("stock_dividend", ratio="0.1"), NOON)
    assert shares(account) == {"OLD": (D(110), D(10))}
    assert lines(account) == [("DIV", "SDIV", "OLD", D(10), D(0), None)]


def test_a_new_name_takes_the_position_over():
    account = held(OLD=("7.5", "30"))
    corporate.apply(account, act("name_change", new="NEW"), NOON)
    assert shares(account) == {"NEW": (D("7.5"), D(30))}
    assert lines(account) == [
        ("NC", "SNC", "OLD", D("-7.5"), D(0), D(30)),
        ("NC", "SNC", "NEW", D("7.5"), D(0), D(30)),
    ]
    assert account.activities[0].description == "Name Change from OLD to NEW"


@pytest.mark.parametrize(
    ("action", "cash", "left", "sub_type"),
    [
        (act("cash_merger", amount="12.50"), "1125", {}, "CMA"),
        (act("stock_merger", ratio="0.5", new="BUYER"), "1000", {"BUYER": (5, 20)}, "SMA"),
        (
            act("stock_and_cash_merger", ratio="0.5", amount="2", new="BUYER"),
            "1020",
            {"BUYER": (5, 16)},
            "SCMA",
        ),
        (act("worthless_removal"), "1000", {}, "WRM"),
    ],
)
def test_an_acquired_company_becomes_money_shares_both_or_nothing(action, cash, left, sub_type):
    account = held(OLD=("10", "10"))
    corporate.apply(account, action, NOON)
    assert account.cash == D(cash)
    assert shares(account) == left
    assert {a.sub_type for a in account.activities} == {sub_type}


def test_shares_of_an_acquirer_join_those_that_are_held_already():
    account = held(OLD=("10", "10"), BUYER=("5", "40"))
    corporate.apply(account, act("stock_merger", ratio="0.5", new="BUYER"), NOON)
    assert shares(account) == {"BUYER": (D(10), D(30))}


def test_a_spin_off_shares_the_cost_by_the_prices_of_both():
    world = World(holdings={"SPY": "10"})
    action = CorporateAction("spin_off", "SPY", DAY, D(1), None, "CHEAP")
    corporate.apply(world.account, action, NOON, world.market)
    child, parent = world.account.positions["CHEAP"], world.account.positions["SPY"]
    assert child.qty == 10
    assert child.cost_basis + parent.cost_basis == 500
    assert child.avg_entry_price / parent.avg_entry_price == pytest.approx(D("9.95") / D("99.95"))


def test_who_does_not_hold_the_company_is_not_concerned():
    account = held(OTHER=("1", "1"))
    corporate.apply(account, act("cash_merger", amount="5"), NOON)
    assert account.activities == []


def test_renames_and_mergers_cancel_the_open_orders_of_their_symbol():
    world = World(holdings={"SPY": "5"})
    world.market.corporate_actions.append(
        CorporateAction("cash_merger", "SPY", DAY, None, D("98.50"))
    )
    gtc = world.submit(side="sell", type="limit", limit_price="120", time_in_force="gtc")
    world.go_to(NEXT_OPEN)
    assert gtc.status == "canceled"
    assert world.account.positions == {}
    assert world.account.cash == D(10000) + 5 * D("98.50")


KINDS = st.sampled_from(
    [
        ("forward_split", "4", None, ""),
        ("forward_split", "1.5", None, ""),
        ("reverse_split", "0.1", None, ""),
        ("cash_dividend", None, "0.37", ""),
        ("stock_dividend", "0.05", None, ""),
        ("name_change", None, None, "NEXT"),
        ("cash_merger", None, "101.15", ""),
        ("stock_merger", "0.7", None, "CHEAP"),
        ("stock_and_cash_merger", "0.333", "9.99", "CHEAP"),
        ("spin_off", "0.2", None, "CHEAP"),
        ("worthless_removal", None, None, ""),
    ]
)


@settings(max_examples=60, deadline=None)
@given(
    doings=st.lists(
        st.tuples(st.integers(0, 60), st.sampled_from(["SPY", "CHEAP"]), KINDS), max_size=6
    ),
    trades=st.lists(
        st.tuples(st.sampled_from(["buy", "sell"]), st.sampled_from(["1", "2.5", "7"])), max_size=6
    ),
    cash=st.sampled_from(["10000", "-2000", "50"]),
)
def test_activities_explain_every_dollar_and_every_share(doings, trades, cash):
    """Fees, interest, dividends, splits, names, mergers and trades, in any order: books add up."""
    world = World(holdings={"SPY": "10", "CHEAP": "3"}, cash=cash, partial_fill_pct=0.3)
    world.exchange.engine.like_live = LikeLive.whole()
    for days, symbol, (kind, ratio, amount, new) in doings:
        ex_day = date.fromordinal(DAY.toordinal() + days)
        if new == symbol or (kind == "name_change" and symbol == "CHEAP"):
            continue
        world.market.corporate_actions.append(
            CorporateAction(
                kind,
                symbol,
                ex_day,
                D(ratio) if ratio else None,
                D(amount) if amount else None,
                new,
            )
        )
    world.market.corporate_actions.sort(key=lambda action: action.ex_day)
    for side, qty in trades:
        try:
            world.submit(side=side, qty=qty)
        except RefusedError:
            continue
        world.wait(90_000)
    world.go_to(datetime(2024, 4, 3, tzinfo=UTC))
    account = world.account
    assert account.cash == D(cash) + sum((cash_moved(a) for a in account.activities), D(0))
    books = {"SPY": D(10), "CHEAP": D(3)}
    for line in account.activities:
        if line.symbol is not None:
            books[line.symbol] = books.get(line.symbol, D(0)) + shares_moved(line)
    assert {s: q for s, q in books.items() if q} == {
        p.symbol: p.qty for p in account.positions.values()
    }
    assert all(p.qty > 0 and p.avg_entry_price >= 0 for p in account.positions.values())
    assert len({line.id for line in account.activities}) == len(account.activities)
    assert account.held_cash == 0


@pytest.mark.asyncio
async def test_both_sides_of_a_split_are_listed_and_streamed():
    async with running() as client:
        client.market.corporate_actions.append(
            CorporateAction("forward_split", "SPY", DAY, D(3), None)
        )
        client.go_to(NEXT_OPEN)
        rows = await client.get("/v2/account/activities/SPLIT", direction="asc")
        assert [(row["qty"], row["price"]) for row in rows] == [("-5", "50"), ("15", "16.666667")]
        assert rows[0]["group_id"] == rows[1]["group_id"]
        keys = {
            "activity_type",
            "activity_sub_type",
            "created_at",
            "currency",
            "date",
            "description",
            "group_id",
            "id",
            "net_amount",
            "price",
            "qty",
            "status",
            "symbol",
        }
        assert set(rows[0]) == keys
        (position,) = await client.get("/v2/positions")
        assert position["qty"] == "15"


@pytest.mark.asyncio
async def test_a_restart_knows_every_activity_and_what_interest_has_accrued(tmp_path):
    kept = {"state_path": tmp_path / "state", "like_live": LikeLive.whole()}
    asked = {"since": "2024-02-01", "until": "2024-02-02T17:00:00Z"}
    async with running(**kept) as client:
        client.market.corporate_actions.append(
            CorporateAction("forward_split", "SPY", DAY, D(3), None)
        )
        await client.order(side="sell", qty="2")
        client.go_to(NEXT_OPEN)
        rows = await client.get("/v2/account/activities")
        assert [row["activity_type"] for row in rows] == ["SPLIT", "SPLIT", "FEE", "FEE", "FILL"]
        account = next(iter(client.broker.desk.exchange.by_key.values()))
        accrued = account.accrued_credit_interest
        assert accrued > 0
        shown = await client.get("/v2/account")
    async with running(**kept, starts_at=NEXT_OPEN) as client:
        assert await client.get("/v2/account/activities") == rows
        account = next(iter(client.broker.desk.exchange.by_key.values()))
        assert account.accrued_credit_interest == accrued
        assert account.activities[-1].details["new_rate"] == "3"
        assert await client.get("/v2/account") == shown
        client.go_to(datetime(2024, 2, 2, 18, tzinfo=UTC))
        status, text = await client.ask("GET", "/v2beta1/events/activities", params=asked)
        assert (status, text.count("data: ")) == (200, 5)
