"""`atlasd doctor` as a person types it, without a broker; as the daemon asks for it, with one."""

import asyncio
import json
from dataclasses import replace
from datetime import date

import pytest

from atlas_daemon.core.findings import Level
from atlas_daemon.edges.doctor import ChildDoctor
from atlas_daemon.service import _run
from tests.bars.builders import a_series, write_bars
from tests.doctor.ward import PRICES, a_ward
from tests.test_app import settings_at

LOCAL = '[account]\nmode = "local"\n[paths]\nstate_dir = "state"\nlog_dir = "logs"\n'


def test_without_a_broker_it_says_what_is_not_known(shell):
    done = shell("doctor")
    assert done.exit_code == 1, done.output
    assert done.stdout.startswith("[LOCAL] LARGE  doctor")
    assert "no broker is named" in done.stdout
    assert "-> " in done.stdout
    assert done.stdout.rstrip().endswith("Nothing was sent.")
    assert " red: broker" in done.stdout


def test_json_has_every_finding_and_the_counts(shell):
    told = json.loads(shell("doctor", "--json").stdout)
    assert told["label"] == "[LOCAL] LARGE"
    found = {finding["check"]: finding["level"] for finding in told["findings"]}
    assert found["broker"] == "red"
    assert found["sessions"] == "ok"
    assert sum(told["counts"].values()) == len(told["findings"]) == len(found)
    assert told["plan"] is None


def test_keys_that_are_missing_end_with_78_and_the_rest_is_still_told(shell, tmp_path):
    (tmp_path / "atlas.toml").write_text(LOCAL.replace("local", "paper"))
    done = shell("doctor", "--json")
    assert done.exit_code == 78
    found = {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}
    assert "ALPACA_LARGE_KEY" in found["keys"]["text"]
    assert found["python"]["level"] == "ok"


def test_a_configuration_that_is_wrong_ends_with_78_at_once(shell, tmp_path):
    (tmp_path / "atlas.toml").write_text("[risk]\nroundz = 3\n")
    done = shell("doctor")
    assert (done.exit_code, done.stdout) == (78, "")
    assert "risk.roundz" in done.stderr


@pytest.mark.e2e
@pytest.mark.asyncio
async def test_the_nightly_child_rehearses_todays_slot_and_sends_nothing(tmp_path):
    """The whole path of the night: a process, the slow brain, the account read, the slot played."""
    rows = [
        row
        for symbol, price in PRICES.items()
        for row in a_series(symbol, [float(price)] * 260, date(2024, 1, 31))
    ]
    write_bars(tmp_path / "bars.csv", rows)
    async with a_ward(tmp_path) as ward:
        (tmp_path / "atlas.toml").write_text(
            '[account]\nmode = "local"\nname = "PROOF"\n'
            f'[broker]\ntrading_url = "{ward.broker.broker.url}"\n'
            '[strategy]\nuniverse = ["AAA", "BBB"]\n[data]\nsource = "file:bars.csv"\n'
            '[regime]\nsource = "fixed:TREND_NEUTRAL"\n'
            '[paths]\nstate_dir = "state"\nlog_dir = "logs"\n[dashboard]\nport = 0\n'
        )
        found = {f.check: f for f in await ChildDoctor(tmp_path / "atlas.toml").examine("test")}
        orders = await ward.broker.get("/v2/orders", status="all")
    assert {check: f.text for check, f in found.items() if f.level is Level.RED} == {}
    assert "DONE, 3 of 3 orders filled" in found["rehearsal"].text
    assert "1 sell, 2 buys" in found["plan"].text
    assert found["regime"].text == "TREND_NEUTRAL as of 2024-01-31"
    assert orders == []
    assert {path.name for path in (tmp_path / "state").iterdir()} == {"rehearsal.json", "run"}


@pytest.mark.parametrize(
    ("mode", "told"), [("local", "http://127.0.0.1:1"), ("paper", "")], ids=["local", "paper"]
)
def test_the_daemon_that_a_person_starts_has_the_doctor(monkeypatch, tmp_path, mode, told):
    """A local broker may have been started with the daemon: no file names its address."""
    kept = []

    async def remember(settings, credentials, world):
        kept.append(world.doctor)

    monkeypatch.setattr("atlas_daemon.app.run_daemon", remember)
    monkeypatch.setenv("ALPACA_PROOF_KEY", "PK1")
    monkeypatch.setenv("ALPACA_PROOF_SECRET", "x")
    settings = settings_at(tmp_path, "http://127.0.0.1:1" if mode == "local" else "")
    settings = replace(settings, account=replace(settings.account, mode=mode))
    asyncio.run(_run(settings))
    assert kept == [ChildDoctor(None, told)]
