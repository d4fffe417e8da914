"""A new configuration while the daemon runs: whole or not at all, and never under a run."""

import asyncio
import os
import signal
from contextlib import asynccontextmanager
from decimal import Decimal

import pytest

from atlas_daemon.config import KEYS, load_credentials, load_settings
from atlas_daemon.control import ControlError, ask
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.frozen import replace
from atlas_daemon.core.state import Figures, Phase
from atlas_daemon.reloader import Reloader
from tests.core.builders import a_run
from tests.paper.sockets import running
from tests.test_app import QUIET, Daemon, entries, heard
from tests.test_bus import Desk as BusDesk

TOML = """
[account]
mode = "local"
name = "PROOF"
[broker]
trading_url = "{url}"
[regime]
source = "fixed:TREND_BULL"
[paths]
state_dir = "state"
log_dir = "logs"
[dashboard]
port = 0
"""
HOOK = "http://127.0.0.1:9/token-of-mine"


class Desk:
    """A daemon that runs on an atlas.toml which somebody edits."""

    def __init__(self, folder, url):
        self.path, self.toml = folder / "atlas.toml", TOML.format(url=url)
        self.write("")
        settings = load_settings(self.path, environ={"HOME": str(folder)}, cwd=folder)
        self.daemon = Daemon(settings, load_credentials(settings, {}), QUIET)

    def write(self, more):
        self.path.write_text(self.toml + more, encoding="utf-8")

    async def ask(self):
        """The control socket's answer."""
        path = self.daemon.settings.control_socket_path
        return await asyncio.to_thread(ask, path, "reload")


@asynccontextmanager
async def editing(folder):
    async with running(speed=1.0) as broker:
        desk = Desk(folder, broker.broker.url)
        await desk.daemon.open()
        task = asyncio.create_task(desk.daemon.run())
        try:
            await heard(desk.daemon, lambda: desk.daemon.url)
            yield desk
        finally:
            desk.daemon.stop("the test")
            async with asyncio.timeout(20):
                await task


@pytest.mark.asyncio
async def test_a_reload_says_what_changed_and_every_part_follows(tmp_path, monkeypatch):
    async with editing(tmp_path) as desk:
        daemon, told = desk.daemon, []
        monkeypatch.setattr(daemon._teller, "follow", told.append)
        desk.write(
            "[risk]\nmax_position_pct = 0.1\nslippage_warn_pct = 0.02\n"
            '[strategy]\ntop_n = 7\n[data]\nquotes_feed = "sip"\n'
            f'[notify]\nwebhook_url = "{HOOK}"\n'
        )
        done = await desk.ask()
        assert {c["name"]: (c["before"], c["after"]) for c in done["changes"]} == {
            "risk.max_position_pct": ("0.15", "0.1"),
            "risk.slippage_warn_pct": ("0.005", "0.02"),
            "strategy.top_n": ("10", "7"),
            "data.quotes_feed": ('"iex"', '"sip"'),
            "notify.webhook_url": ('""', "****"),
        }
        assert done["waits_for"] == "" and done["digest"] == daemon.settings.digest()
        assert daemon.settings.strategy.top_n == 7
        assert daemon.policy.max_position_pct == Decimal("0.1")
        assert daemon._recorder.slippage_warn_pct == Decimal("0.02")
        assert daemon._quotes.feed == "sip"
        assert told == [daemon.settings], "who tells people follows too"
    (told,) = [event for event in entries(tmp_path) if isinstance(event, e.PolicyChanged)]
    assert told.config_digest == done["digest"]
    assert set(told.changed) == {change["name"] for change in done["changes"]}
    for path in (tmp_path / "logs").iterdir():
        assert "token-of-mine" not in path.read_text()


@pytest.mark.asyncio
async def test_a_reload_of_what_is_in_force_changes_and_writes_nothing(tmp_path):
    async with editing(tmp_path) as desk:
        desk.write("[risk]\nmax_position_pct = 0.150\n")
        assert (await desk.ask())["changes"] == []
    assert not any(isinstance(event, e.PolicyChanged) for event in entries(tmp_path))


@pytest.mark.asyncio
async def test_an_unfit_configuration_is_refused_whole_with_every_reason_and_on_record(tmp_path):
    async with editing(tmp_path) as desk:
        desk.write("[risk]\nmax_position_pct = 2\n[strategy]\ntop_n = 7\ntop_m = 7\n")
        with pytest.raises(ControlError) as caught:
            await desk.ask()
        assert caught.value.exit_code == ConfigError.exit_code
        assert "risk.max_position_pct = 2 (" in str(caught.value)
        assert "must be a number, 0 < x <= 1" in str(caught.value)
        assert "strategy.top_m" in str(caught.value)
        assert desk.daemon.settings.strategy.top_n == 10
        desk.path.unlink()
        with pytest.raises(ControlError, match="cannot be read: No such file"):
            await desk.ask()
    denied = [event for event in entries(tmp_path) if isinstance(event, e.RequestDenied)]
    assert [event.what for event in denied] == ["reload"] * len(denied)
    assert "strategy.top_m" in denied[0].detail


OTHER = {
    "account.name": '[account]\nname = "OTHER"\n',
    "account.number": '[account]\nnumber = "PA2"\n',
    "broker.data_url": '[broker]\ndata_url = "http://127.0.0.1:2"\n',
    "paths.state_dir": '[paths]\nstate_dir = "other"\n',
    "paths.log_dir": '[paths]\nlog_dir = "other"\n',
    "dashboard.port": "[dashboard]\nport = 1\n",
}


@pytest.mark.asyncio
async def test_what_takes_a_restart_is_refused_by_name(tmp_path):
    async with editing(tmp_path) as desk:
        whole = desk.toml
        for name, text in OTHER.items():
            heading, line, _ = text.split("\n")
            word = line.split(" = ")[0]
            kept = [row for row in whole.split("\n") if not row.startswith(f"{word} = ")]
            rows = "\n".join(kept).replace(heading, f"{heading}\n{line}", 1)
            desk.path.write_text(rows, encoding="utf-8")
            with pytest.raises(ControlError) as caught:
                await desk.ask()
            assert name in str(caught.value) and "restart" in str(caught.value)
            assert caught.value.exit_code == 78
        desk.path.write_text(whole + "[strategy]\ntop_n = 9\n", encoding="utf-8")
        assert (await desk.ask())["waits_for"] == ""


def test_who_the_daemon_is_and_where_it_lives_is_fixed_and_nothing_else():
    fixed = {name for name, key in KEYS.items() if key.is_fixed}
    assert {"account.name", "account.mode", "account.number"} <= fixed
    assert {key.section for key in KEYS.values() if key.is_fixed} == {
        *("account", "broker", "paths", "dashboard"),
    }
    assert not fixed & {"account.capital", "account.manage", "account.protected"}


@pytest.mark.asyncio
async def test_sighup_reloads_as_the_socket_does(tmp_path):
    async with editing(tmp_path) as desk:
        desk.write("[strategy]\ntop_n = 7\n")
        os.kill(os.getpid(), signal.SIGHUP)
        await heard(desk.daemon, lambda: desk.daemon.settings.strategy.top_n == 7)
        desk.write("[strategy]\ntop_n = 0\n")
        os.kill(os.getpid(), signal.SIGHUP)
        await heard(desk.daemon, lambda: entries(tmp_path)[-1:] and _is_denied(tmp_path))
        assert desk.daemon.settings.strategy.top_n == 7


def _is_denied(folder):
    return any(isinstance(event, e.RequestDenied) for event in entries(folder))


# When it takes its place, on a bus without a world.


class Place:
    """A reloader over a real bus and journal, and an atlas.toml."""

    def __init__(self, folder):
        self.path = folder / "atlas.toml"
        self.path.write_text("")
        self.desk = BusDesk(folder)
        settings = load_settings(self.path, environ={"HOME": "/home/ada"}, cwd=folder)
        self.followed = []
        self.reloader = Reloader(settings, self.desk.bus, self.followed.append)

    def reload(self, top_n):
        self.path.write_text(f"[strategy]\ntop_n = {top_n}\n[risk]\nmax_position_pct = 0.1\n")
        return self.reloader.reload()

    def in_run(self, phase):
        run = None if phase is None else a_run(phase)
        self.desk.bus.state = replace(self.desk.bus.state, run=run)

    @property
    def cap(self):
        return self.desk.bus.policy.max_position_pct


@pytest.fixture
def place(tmp_path):
    made = Place(tmp_path)
    made.desk.boot()
    yield made
    made.desk.journal.journal.close()


def test_before_the_start_is_written_nothing_is_swapped(tmp_path):
    place = Place(tmp_path)
    assert "the daemon is starting" in place.reload(7).waits_for
    place.desk.boot()
    place.reloader.look()
    assert place.cap == Decimal("0.1")
    assert place.desk.kinds()[0] == "DaemonStarted"
    place.desk.journal.journal.close()


@pytest.mark.parametrize("phase", [p for p in Phase if p is not Phase.PARKED])
def test_in_no_phase_of_a_run_is_the_policy_swapped(place, phase):
    place.in_run(phase)
    before = place.desk.bus.policy
    assert place.reload(7).waits_for.startswith("until run ")
    waits = "strategy.top_n, risk.max_position_pct: until run "
    assert place.reloader.waiting.startswith(waits)
    place.reloader.look()
    assert place.desk.bus.policy is before and place.followed == []
    place.in_run(None)
    place.reloader.look()
    assert place.cap == Decimal("0.1")
    assert place.reloader.waiting == ""
    assert [settings.strategy.top_n for settings in place.followed] == [7]


def test_a_parked_run_has_nothing_in_the_market_and_plans_anew(place):
    place.in_run(Phase.PARKED)
    assert place.reload(7).waits_for == ""
    assert place.cap == Decimal("0.1")


def test_a_later_reload_takes_the_place_of_one_that_waits(place):
    place.in_run(Phase.BUYING)
    place.reload(7)
    place.reload(8)
    place.in_run(None)
    place.reloader.look()
    assert [settings.strategy.top_n for settings in place.followed] == [8]
    assert place.desk.kinds().count("PolicyChanged") == 1


def test_back_to_what_is_in_force_nothing_waits_any_more(place):
    place.in_run(Phase.BUYING)
    place.reload(7)
    place.path.write_text("")
    assert place.reloader.reload().changes == ()
    place.in_run(None)
    place.reloader.look()
    assert place.followed == [] and "PolicyChanged" not in place.desk.kinds()


def test_a_refused_one_leaves_what_waits_in_its_place(place):
    place.in_run(Phase.BUYING)
    place.reload(7)
    with pytest.raises(ConfigError):
        place.reload(0)
    place.in_run(None)
    place.reloader.look()
    assert [settings.strategy.top_n for settings in place.followed] == [7]


def test_what_cannot_be_written_is_not_in_force_and_is_tried_again(place):
    before = place.desk.bus.policy
    place.desk.journal.is_full = True
    assert "no space left" in place.reload(7).waits_for
    assert place.desk.bus.policy is before and place.followed == []
    place.desk.journal.is_full = False
    place.reloader.look()
    assert place.cap == Decimal("0.1") and len(place.followed) == 1


def test_the_same_state_comes_of_the_journal_whatever_the_file_says_now(place):
    place.reload(7)
    lived = place.desk.bus.state
    place.path.write_text("[strategy]\ntop_n = 1\n")
    read_back = place.desk.a_bus().state
    assert replace(read_back, figures=Figures()) == replace(lived, figures=Figures())
    assert read_back.config_digest == place.followed[0].digest()
