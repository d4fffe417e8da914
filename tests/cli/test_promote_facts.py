"""Who `atlasd promote` asks: the broker of the live account, the doctor, the running daemon."""

from decimal import Decimal

import pytest

from atlas_daemon.cli import promote_facts
from atlas_daemon.config import Credentials, load_credentials
from tests.paper.sockets import running
from tests.paper.world import NOON
from tests.test_app import settings_at

NOWHERE = "http://127.0.0.1:9"


@pytest.mark.asyncio
async def test_the_account_is_asked_by_reading_only(tmp_path):
    async with running(cash=Decimal(12_345), holdings={}) as broker:
        settings = settings_at(tmp_path, broker.broker.url)
        keys = load_credentials(settings, {})
        found = await promote_facts._asked_account(settings, keys)
        account = broker.broker.desk.account_with(keys.key_id, keys.secret)
        assert (found.number, found.equity, found.problem) == (account.number, Decimal(12_345), "")
        assert not found.is_blocked
        account.is_blocked = True
        assert (await promote_facts._asked_account(settings, keys)).is_blocked
        assert account.orders == {}


def test_keys_that_are_refused_are_a_problem_and_are_not_shown(tmp_path, monkeypatch):
    async def refused(settings, keys):
        async with running() as broker:
            there = settings_at(tmp_path, broker.broker.url)
            return await asked(there, keys)

    asked = promote_facts._asked_account
    monkeypatch.setattr(promote_facts, "_asked_account", refused)
    found = promote_facts._account(settings_at(tmp_path, NOWHERE), Credentials("AKx", "s3cret", ""))
    assert found.number == ""
    assert found.problem
    assert "s3cret" not in found.problem
    assert "\n" not in found.problem


def test_a_broker_that_is_not_there_is_a_problem_in_one_line(tmp_path, monkeypatch):
    async def at_once(delay_s):
        pass

    monkeypatch.setattr("atlas_daemon.doctor.readonly.asyncio.sleep", at_once)
    settings = settings_at(tmp_path, NOWHERE)
    found = promote_facts._account(settings, load_credentials(settings, {}))
    assert found.problem.startswith(NOWHERE)


def test_no_daemon_says_nothing(tmp_path):
    assert promote_facts._ping(settings_at(tmp_path, NOWHERE)) == {}


def test_the_doctor_is_asked_now_and_its_red_checks_are_named(shell):
    seen = promote_facts._examined(shell.settings, None, NOON)
    assert (seen.at, seen.source) == (NOON, "atlasd doctor, asked now")
    assert "broker" in seen.reds
    assert len(set(seen.reds)) == len(seen.reds)
