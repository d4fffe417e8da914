"""The doctor's client can only look: by its session, and by what the source calls."""

import ast

import pytest

from atlas_daemon.core.values import Side
from atlas_daemon.doctor.readonly import (
    BudgetLowError,
    NotReadingError,
    ThriftyBudget,
    open_readonly_session,
)
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from tests.doctor.ward import a_ward
from tests.house.source import PACKAGE


@pytest.mark.asyncio
async def test_nothing_but_a_get_can_leave(tmp_path):
    async with a_ward(tmp_path) as ward:
        broker = ward.broker.broker
        client = AlpacaTradingClient(
            key_id=broker.key,
            secret=broker.secret,
            trading_url=broker.url,
            data_url=broker.url,
            session=open_readonly_session,
        )
        try:
            assert (await client.get_account()).status == "ACTIVE"
            writes = (
                client.submit_market_order("AAA", 1, Side.BUY, client_order_id="atlas-x"),
                client.close_position("CCC", client_order_id="atlas-y"),
                client.cancel_all_orders(),
                client.cancel_order("0"),
                client.set_suspend_trade(True),
            )
            for write in writes:
                with pytest.raises(NotReadingError, match="the doctor only reads"):
                    await write
        finally:
            await client.close()
        account = broker.desk.account_with(broker.key, broker.secret)
        assert not account.orders
        assert (await ward.broker.get("/v2/account/configurations"))["suspend_trade"] is False


DOCTORS = [
    *sorted((PACKAGE / "doctor").glob("*.py")),
    *(
        PACKAGE / "cli" / name
        for name in ("doctor.py", "examination.py", "todays_plan.py", "onlooker.py")
    ),
]
TREES = {path.name: ast.parse(path.read_text("utf-8")) for path in DOCTORS}


def test_every_client_of_the_doctors_is_made_on_the_session_that_only_reads():
    makers = {
        name: ast.unparse(node)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "AlpacaTradingClient"
    }
    assert set(makers) == {"onlooker.py"}
    assert "{'session': open_readonly_session} | more" in makers["onlooker.py"]
    asked = [
        ast.unparse(node)
        for tree in TREES.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "onlooker"
    ]
    assert asked
    assert all("session" not in text for text in asked), "on another session it may write"


def test_the_doctor_opens_no_stream():
    """Alpaca admits one connection: a second would take the daemon's place."""
    imported = {
        (name, node.module)
        for name, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").endswith("alpaca.stream")
    }
    assert imported == set()


@pytest.mark.asyncio
async def test_a_budget_that_runs_low_is_left_to_the_daemon():
    budget = ThriftyBudget()
    await budget.acquire()
    budget.heed(61, 200, 30.0)
    await budget.acquire()
    budget.heed(59, 200, 30.0)
    with pytest.raises(BudgetLowError, match="59 requests"):
        await budget.acquire()


@pytest.mark.asyncio
async def test_after_a_refusal_nothing_more_is_asked_and_nothing_waited_for():
    budget = ThriftyBudget()
    budget.pause(30)
    for asked in (budget.acquire(), budget.sleep(30)):
        with pytest.raises(BudgetLowError, match="429"):
            await asked
