"""`atlasd transition`: the look at the live account, and the proof that it only looked."""

import asyncio
import json
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from atlas_daemon.cli.transition import Asked, look
from atlas_daemon.cli.transition_steps import NAMES
from atlas_daemon.cli.transition_view import proof, show
from atlas_daemon.core.errors import ConfigError, UsageError
from atlas_daemon.doctor.readonly import NotReadingError, Tally
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.paper.desk import LOCAL_SECRET
from tests.bars.builders import a_series, write_bars
from tests.doctor.ward import PRICES, SIGNAL_DAY, Ward, a_ward
from tests.doorman import Doorman, a_doorman

LIVE_KEY = "AKLOCAL00000000000000"
KEYS = {"ALPACA_PROOF_KEY": LIVE_KEY, "ALPACA_PROOF_SECRET": LOCAL_SECRET}


@asynccontextmanager
async def a_live_ward(folder: Path):
    """The local broker playing the live account: a live key, a live number, who counts before it.

    Only settings made by hand can say so: no configuration does.
    """
    async with a_ward(folder, key=LIVE_KEY) as ward, a_doorman(ward.broker.broker.url) as door:
        number = (await ward.broker.get("/v2/account"))["account_number"]
        broker = replace(ward.settings.broker, trading_url=door.url, data_url=door.url)
        account = replace(ward.settings.account, mode="live", number=number, manage="bought")
        ward.settings = replace(ward.settings, account=account, broker=broker)
        ward.environ = KEYS
        yield ward, door


async def seen(ward: Ward) -> dict:
    wall = ward.broker.broker.desk.clock.now
    return await look(ward.settings, Asked(ward.environ, wall, ward.strategy))


@pytest.mark.asyncio
async def test_the_live_account_is_seen_and_nothing_but_gets_reached_it(tmp_path):
    async with a_live_ward(tmp_path) as (ward, door):
        told = await seen(ward)
        assert told["label"] == "[LIVE] PROOF"
        assert told["identity"]["endpoint"] == door.url
        assert told["identity"]["keys"].startswith("AK (")
        assert told["identity"]["number"] == told["identity"]["pinned"]
        assert told["proof"] == {"orders_since": [], "gets": door.asked["GET"], "others": 0}
        assert door.changes == 0
        assert proof(told["proof"]).startswith(f"Nothing was sent: {door.asked['GET']} GETs left")
        assert [path.name for path in ward.settings.state_dir.iterdir()] == ["run"], "as before"


@pytest.mark.asyncio
async def test_what_the_daemon_did_not_buy_is_left_alone_and_said_to_be(tmp_path):
    async with a_live_ward(tmp_path) as (ward, _):
        (held,) = (await seen(ward))["positions"]
        assert (held["symbol"], held["qty"]) == ("CCC", "20")
        assert held["managed"].startswith('left alone: account.manage = "bought"')
        account = replace(ward.settings.account, manage="all", protected=("CCC",))
        ward.settings = replace(ward.settings, account=account)
        (held,) = (await seen(ward))["positions"]
        assert held["managed"] == "left alone: protected"


@pytest.mark.asyncio
async def test_the_plan_is_the_cores_own_and_the_steps_stand_beside_it(tmp_path, capsys):
    async with a_live_ward(tmp_path) as (ward, _):
        told = await seen(ward)
    assert told["slot"]["name"] == "2024-08", "a slot that was due before us is nobody's"
    assert [step["step"] for step in told["steps"]] == list(NAMES)
    assert [step["status"] for step in told["steps"]][:3] == ["done", "done", "next"]
    assert {step["status"] for step in told["steps"][3:]} == {"later"}
    plan = told["plan"]
    assert {order["symbol"] for order in plan["orders"]} == {"AAA", "BBB"}
    assert all(order["side"] == "buy" for order in plan["orders"])
    show(told)
    said = capsys.readouterr().out
    assert said.startswith("[LIVE] PROOF  transition\n")
    assert "1. [done] Credentials: paper -> live" in said
    assert said.rstrip().endswith("no order reached the account since this look began.")


@pytest.mark.asyncio
async def test_an_order_that_reached_the_account_meanwhile_spoils_the_proof(tmp_path):
    async with a_live_ward(tmp_path) as (ward, _):
        brain = ward.strategy

        class Slow(type(brain)):
            async def compute(self, *asked):
                await ward.broker.wait(5)
                await ward.broker.order(symbol="AAA", client_order_id="somebody-else")
                return await brain.compute(*asked)

        ward.strategy = lambda *asked: Slow()
        told = await seen(ward)
        assert told["proof"]["orders_since"] == ["somebody-else"]
        assert "proof: 1 orders" in told["problems"][-1]
        assert proof(told["proof"]).startswith("NOT PROVEN")
        assert told["steps"][1]["status"] == "next"


@pytest.mark.asyncio
async def test_an_account_that_is_not_the_pinned_one_is_refused_before_anything_else_is_asked(
    tmp_path,
):
    async with a_live_ward(tmp_path) as (ward, door):
        door.number = "PA0000000000"
        with pytest.raises(ConfigError, match="the keys open account PA0000000000, and account"):
            await seen(ward)
        assert sum(door.asked.values()) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("key", ["PKPAPER", ""])
async def test_other_keys_are_refused_before_anything_is_asked(tmp_path, key):
    async with a_live_ward(tmp_path) as (ward, door):
        ward.environ = {"ALPACA_PROOF_KEY": key, "ALPACA_PROOF_SECRET": key and "x"}
        with pytest.raises(ConfigError, match=r"needs a key that begins with AK|no keys for"):
            await seen(ward)
        assert not door.asked


@pytest.mark.asyncio
async def test_signals_that_cannot_be_had_are_said_and_the_rest_is_seen_all_the_same(tmp_path):
    async with a_live_ward(tmp_path) as (ward, door):
        ward.strategy.why_not = "no bars"
        told = await seen(ward)
        assert (told["plan"], told["why_no_plan"]) == (None, "no bars")
        assert told["problems"] == ["plan: no bars"]
        assert told["steps"][1] == {
            "step": NAMES[1],
            "status": "next",
            "text": "plan: no bars",
            "to_do": "atlasd transition",
        }
        assert door.changes == 0


@pytest.mark.asyncio
async def test_a_clock_that_is_off_is_a_problem(tmp_path):
    async with a_live_ward(tmp_path) as (ward, _):
        wall = ward.broker.broker.desk.clock.now
        fast = Asked(ward.environ, lambda: wall() + timedelta(seconds=90), ward.strategy)
        told = await look(ward.settings, fast)
        assert told["clock_skew_s"] == 90.0
        assert told["problems"][0] == "clock: this machine's is +90 s from the broker's"


@pytest.mark.asyncio
async def test_what_is_refused_is_not_counted_as_left_and_what_left_is():
    async def tried(door: Doorman) -> Tally:
        tally = Tally()
        client = AlpacaTradingClient(
            *("X",),
            key_id=LIVE_KEY,
            secret=LOCAL_SECRET,
            trading_url=door.url,
            data_url=door.url,
            session=tally.open_session,
        )
        await client.get_account()
        with pytest.raises(NotReadingError):
            await client.cancel_all_orders()
        await client.close()
        return tally

    from tests.paper.sockets import running

    async with running(key=LIVE_KEY) as broker, a_doorman(broker.broker.url) as door:
        assert (await tried(door)).left == {"GET": 1} == door.asked


@pytest.mark.e2e
@pytest.mark.asyncio
async def test_on_a_paper_or_local_account_it_is_a_rehearsal_and_says_so(shell, tmp_path):
    rows = [
        row
        for symbol, price in PRICES.items()
        for row in a_series(symbol, [float(price)] * 260, SIGNAL_DAY)
    ]
    write_bars(tmp_path / "bars.csv", rows)
    async with a_ward(tmp_path) as ward:
        (tmp_path / "atlas.toml").write_text(
            '[account]\nmode = "local"\nname = "PROOF"\n'
            f'[broker]\ntrading_url = "{ward.broker.broker.url}"\n'
            '[strategy]\nuniverse = ["AAA", "BBB"]\n[data]\nsource = "file:bars.csv"\n'
            '[regime]\nsource = "fixed:TREND_NEUTRAL"\n'
            '[paths]\nstate_dir = "state"\nlog_dir = "logs"\n'
        )
        done = await asyncio.to_thread(shell, "transition", "--json")
        assert done.exit_code == 0, done.output
        told = json.loads(done.stdout)
        assert (told["label"], told["is_live"]) == ("[LOCAL] PROOF", False)
        assert told["steps"][0]["status"] == "next"
        assert "a rehearsal, no live account" in told["steps"][0]["text"]
        assert told["proof"]["others"] == 0


def test_without_a_broker_there_is_nothing_to_look_at(shell):
    done = shell("transition")
    assert done.exit_code == ConfigError.exit_code != UsageError.exit_code
    assert "no broker is configured" in done.stderr
