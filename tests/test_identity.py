"""Endpoint, keys and account number name one account, or nothing leaves: the breaches, tried.

Every request goes over a socket and is counted. Live is played as elsewhere: the settings say live
and the broker's address is the local one's, which no configuration file could say.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from atlas_daemon.app import Daemon, World, run_daemon
from atlas_daemon.config import Credentials, Settings
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError, ConfigError
from atlas_daemon.core.values import AccountMode, Mode, Side
from atlas_daemon.edges.alpaca.faults import OutcomeUnknownError
from atlas_daemon.edges.alpaca.pinned import ForeignAccountError, PinnedClient
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.journal import Journal
from atlas_daemon.paper.desk import LOCAL_SECRET
from tests.doorman import Doorman, a_doorman
from tests.e2e.one_process import BrokersTime
from tests.paper.sockets import Client, running
from tests.test_app import settings_at

LIVE_KEY = "AKLOCAL00000000000000"
OTHER = "PA0000000000"
PATIENCE_S = 20


def live(settings: Settings, number: str, **changes: object) -> Settings:
    """The settings of a live account at the local broker."""
    account = replace(settings.account, mode="live", number=number, **changes)
    return replace(settings, account=account)


@contextlib.asynccontextmanager
async def a_door() -> AsyncIterator[tuple[Client, Doorman, str]]:
    """A broker with a live key, who counts before it, and the account's true number."""
    async with running(speed=1.0, key=LIVE_KEY) as broker, a_doorman(broker.broker.url) as door:
        yield broker, door, (await broker.get("/v2/account"))["account_number"]


def settings_of(folder: Path, broker: Client, door: Doorman) -> Settings:
    stream = broker.broker.url.replace("http", "ws") + "/stream"
    return settings_at(folder, door.url, broker__stream_url=stream)


def daemon_of(settings: Settings, broker: Client) -> Daemon:
    world = World(
        console=False, environ={}, tick_s=0.01, clock=BrokersTime(broker), has_doors=False
    )
    return Daemon(settings, Credentials(LIVE_KEY, LOCAL_SECRET, "the test"), world)


async def ends(daemon: Daemon) -> AtlasError:
    """Open and run it; return what it ended with."""
    with pytest.raises(AtlasError) as refused:
        async with asyncio.timeout(PATIENCE_S):
            try:
                await daemon.open()
                await daemon.run()
            finally:
                await daemon.close()
    return refused.value


async def until(broker: Client, is_so: Callable[[], object], step_s: float = 0.25) -> None:
    """Let the broker's time pass until it is so."""
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await broker.wait(step_s)
            await asyncio.sleep(0.001)


def latched(settings: Settings) -> None:
    """A stop stands on the disk: the start pulls every order as soon as it may."""
    settings.state_dir.mkdir(parents=True, exist_ok=True)
    assert not LatchFile(settings.latch_path).write("a test", "x", datetime.now(UTC))


# The account's number.


@pytest.mark.asyncio
@pytest.mark.parametrize("is_latched", [False, True], ids=["trading", "halted"])
async def test_live_keys_of_another_account_end_with_78_and_nothing_but_questions_left(
    tmp_path, is_latched
):
    async with a_door() as (broker, door, number):
        settings = live(settings_of(tmp_path, broker, door), OTHER)
        if is_latched:
            latched(settings)
        error = await ends(daemon_of(settings, broker))
        assert error.exit_code == 78
        assert f"belongs to account {OTHER} (live-PROOF), not {number}" in str(error)
        assert door.asked["GET"] > 0
        assert door.changes == 0


@pytest.mark.asyncio
async def test_the_pinned_live_account_is_traded(tmp_path):
    """The other side of every refusal below: it is not the test's world that refuses."""
    async with a_door() as (broker, door, number):
        daemon = daemon_of(live(settings_of(tmp_path, broker, door), number), broker)
        await daemon.open()
        task = asyncio.create_task(daemon.run())
        await until(broker, lambda: daemon.state.mode is not Mode.STARTING)
        daemon.hear(e.StopRequested("the test", "to see a cancel leave"))
        await until(broker, lambda: daemon.state.halt and daemon.state.halt.is_complete)
        daemon.stop("the test")
        await task
        assert door.asked["DELETE"] > 0


@pytest.mark.asyncio
async def test_answers_that_change_to_another_account_end_it_before_anything_more_is_sent(tmp_path):
    async with a_door() as (broker, door, number):
        daemon = daemon_of(live(settings_of(tmp_path, broker, door), number), broker)
        await daemon.open()
        task = asyncio.create_task(daemon.run())
        await until(broker, lambda: daemon.state.mode is not Mode.STARTING)
        door.number = OTHER
        await until(broker, task.done, step_s=3)
        assert isinstance(task.exception(), AtlasError)
        assert task.exception().exit_code == 78
        assert door.changes == 0


def client_of(url: str, pinned: str) -> PinnedClient:
    async def no_wait(delay_s: float) -> None:
        """The tries of a question follow at once."""

    return PinnedClient(
        key_id=LIVE_KEY,
        secret=LOCAL_SECRET,
        trading_url=url,
        data_url=url,
        sleep=no_wait,
        pinned=lambda: pinned,
    )


SENDS: dict[str, Callable[[PinnedClient], object]] = {
    "order": lambda c: c.submit_market_order("SPY", 1, Side.BUY, client_order_id="atlas-x"),
    "close": lambda c: c.close_position("SPY", client_order_id="atlas-y"),
    "suspend": lambda c: c.set_suspend_trade(True),
    "cancel": lambda c: c.cancel_order("00000000-0000-0000-0000-000000000000"),
    "cancel all": lambda c: c.cancel_all_orders(),
}


@pytest.mark.asyncio
@pytest.mark.parametrize("what", SENDS)
async def test_nothing_leaves_for_another_account_also_as_the_very_first_request(what):
    async with a_door() as (_, door, number):
        client = client_of(door.url, OTHER)
        with pytest.raises(ForeignAccountError, match=f"open account {number}, and {OTHER} is"):
            await SENDS[what](client)
        await client.close()
        assert door.changes == 0
        assert ForeignAccountError.exit_code == 3


@pytest.mark.asyncio
@pytest.mark.parametrize("what", SENDS)
async def test_before_the_number_was_seen_only_a_cancel_leaves(what):
    async with a_door() as (_, door, number):
        door.is_mute_on_account = True
        client = client_of(door.url, number)
        if what.startswith("cancel"):
            await SENDS[what](client)
            assert door.changes == 1
        else:
            with pytest.raises(OutcomeUnknownError, match="number is not seen") as unknown:
                await SENDS[what](client)
            assert not unknown.value.unknown.may_have_arrived
            assert door.changes == 0
        await client.close()


@pytest.mark.asyncio
async def test_a_redirect_to_another_address_is_not_followed_with_our_keys():
    async with a_door() as (broker, door, number), a_doorman(broker.broker.url) as elsewhere:
        door.sends_to = elsewhere.url
        for what, send in SENDS.items():
            client = client_of(door.url, number)
            client.seen = number if what != "close" else ""
            with pytest.raises(AtlasError):
                await send(client)
            await client.close()
        assert sum(door.asked.values()) >= len(SENDS)
        assert not elsewhere.asked


@pytest.mark.asyncio
async def test_a_number_that_changes_between_the_question_and_the_first_byte_holds_the_order():
    async with a_door() as (_, door, number):
        client = client_of(door.url, number)
        await client.get_account()

        def seen_meanwhile(order_id: str) -> None:
            client.seen = OTHER

        client.order_gate = seen_meanwhile
        with pytest.raises(ForeignAccountError):
            await SENDS["order"](client)
        await client.close()
        assert door.changes == 0


# Keys that are swapped while the daemon runs.


@pytest.mark.asyncio
async def test_keys_swapped_in_the_file_and_reloaded_are_not_taken_by_a_running_daemon(tmp_path):
    async with a_door() as (broker, door, _):
        settings = settings_of(tmp_path, broker, door)
        daemon = daemon_of(settings, broker)
        await daemon.open()
        task = asyncio.create_task(daemon.run())
        await until(broker, lambda: daemon.state.mode is not Mode.STARTING)
        (tmp_path / ".env").write_text("ALPACA_PROOF_KEY=AKANOTHER\nALPACA_PROOF_SECRET=x\n")
        daemon.reload()
        asked = door.asked["GET"]
        daemon.hear(e.Ticked())
        await until(broker, lambda: door.asked["GET"] > asked)
        daemon.stop("the test")
        await task
        assert door.keys == {LIVE_KEY}


# State folders.


def journal_at(folder: Path, mode: str, name: str, number: str = "") -> None:
    with Journal.open(
        folder / "journal.db", account_mode=AccountMode(mode), account_name=name
    ) as journal:
        if number:
            journal.claim_number(number)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("way", "mode", "name", "number"),
    [
        ("copied", "paper", "PROOF", "PA1"),
        ("linked", "paper", "PROOF", "PA1"),
        ("named", "paper", "PROOF", "PA1"),
        ("named", "local", "PROOF", ""),
        ("named", "live", "SMALL", ""),
        ("named", "live", "PROOF", OTHER),
    ],
)
async def test_a_state_folder_of_another_account_is_refused_before_anything_is_asked(
    tmp_path, way, mode, name, number
):
    async with a_door() as (broker, door, true):
        theirs = tmp_path / "theirs"
        journal_at(theirs, mode, name, number)
        ours = tmp_path / "ours" / "state"
        ours.parent.mkdir()
        match way:
            case "copied":
                shutil.copytree(theirs, ours)
            case "linked":
                ours.symlink_to(theirs)
            case "named":
                ours = theirs
        settings = settings_at(tmp_path / "ours", door.url, paths__state_dir=str(ours))
        error = await ends(daemon_of(live(settings, true), broker))
        assert error.exit_code == 78
        assert f"{mode}-{name}" in str(error)
        assert not door.asked
        assert not (tmp_path / "ours" / "logs" / "ACCOUNT").exists()


@pytest.mark.asyncio
async def test_a_log_folder_is_one_accounts_as_the_trades_file_has_no_column_for_it(tmp_path):
    async with a_door() as (broker, door, number):
        local = settings_of(tmp_path, broker, door)
        daemon = daemon_of(local, broker)
        await daemon.open()
        await daemon.close()
        assert (tmp_path / "logs" / "ACCOUNT").read_text() == "[LOCAL] PROOF\n"
        other = settings_at(tmp_path, door.url, paths__state_dir=str(tmp_path / "live"))
        error = await ends(daemon_of(live(other, number), broker))
        assert error.exit_code == 78
        assert "paths.log_dir" in str(error)
        assert "'[LOCAL] PROOF', and this is [LIVE] PROOF" in str(error)
        assert not door.changes


@pytest.mark.asyncio
async def test_a_number_that_changes_between_two_starts_is_refused(tmp_path):
    async with a_door() as (broker, door, number):
        first = daemon_of(live(settings_of(tmp_path, broker, door), number), broker)
        await first.open()
        await first.close()
        second = live(settings_of(tmp_path, broker, door), OTHER)
        with pytest.raises(ConfigError.__mro__[1], match=f"belongs to account {number}") as refused:
            await run_daemon(second, Credentials(LIVE_KEY, LOCAL_SECRET, "the test"))
        assert refused.value.exit_code == 78
        assert not door.asked
