"""The slow brain as a child process that may hang, die or babble."""

import asyncio
import os
import stat
import sys
import time
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from atlas_daemon.core.brain import (
    KEY_VARIABLES,
    FailureKind,
    RegimeAnswer,
    SignalsAnswer,
    SignalsError,
    SignalsRequest,
    WorkerReply,
)
from atlas_daemon.core.values import Regime
from atlas_daemon.edges.brain import ChildBrain, read_reply

DAY = date(2027, 1, 29)
AT = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)
ANSWER = SignalsAnswer(DAY, (), {"SPY": Decimal("500.10")}, (), 3, (), Regime.TREND_BULL, DAY)


def a_request(signal_day: date, held: tuple[str, ...], asked_at: datetime) -> SignalsRequest:
    return SignalsRequest(
        signal_day=signal_day,
        source="alpaca",
        universe="technology",
        top_n=10,
        weighting="equal",
        min_high_ratio=Decimal("0.9"),
        volume_filter=Decimal(0),
        strategy="momentum_52w",
        bars_feed="sip",
        data_url="",
        held=held,
        regime="fixed:TREND_BULL",
        asked_at=asked_at,
    )


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a script in the place of the interpreter that would run the worker."""

    def make(body: str) -> Path:
        script = tmp_path / "child"
        script.write_text(f"#!{sys.executable}\nimport os, sys, time\n{body}\n")
        script.chmod(script.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(script))
        return tmp_path

    return make


def wait_for(path: Path) -> None:
    ends_at = time.monotonic() + 20
    while not path.exists() or not path.read_text():
        assert time.monotonic() < ends_at
        time.sleep(0.01)


def is_gone(path: Path) -> bool:
    return not Path(f"/proc/{int(path.read_text())}").exists()


def brain(**changes: object) -> ChildBrain:
    return ChildBrain(**{"request_for": a_request, "key_id": "PK1", "secret": "s3cr3t"} | changes)


@pytest.mark.asyncio
async def test_the_question_goes_in_and_the_answer_comes_out(child):
    folder = child(
        "question = sys.stdin.buffer.read()\n"
        "open(os.path.join(os.path.dirname(sys.argv[0]), 'question'), 'wb').write(question)\n"
        "open(os.path.join(os.path.dirname(sys.argv[0]), 'argv'), 'w').write(' '.join(sys.argv))\n"
        f"sys.stdout.buffer.write({msgspec.json.encode(WorkerReply(True, ANSWER))!r})"
    )
    answer = await brain().compute(DAY, ["AAPL"], AT)
    assert answer.regime is Regime.TREND_BULL
    assert answer.closes == {"SPY": Decimal("500.10")}
    asked = msgspec.json.decode((folder / "question").read_bytes(), type=SignalsRequest)
    assert (asked.signal_day, asked.held, asked.asked_at) == (DAY, ("AAPL",), AT)
    assert (folder / "argv").read_text().endswith("-P -m atlas_daemon.worker")


@pytest.mark.asyncio
@pytest.mark.parametrize("ran", ["", "0ther" * 12])
async def test_the_answer_of_a_child_of_other_code_is_refused(child, ran):
    told = WorkerReply(True, ANSWER, RegimeAnswer(DAY, Regime.CRASH, DAY), code=ran)
    child(f"sys.stdin.buffer.read()\nsys.stdout.buffer.write({msgspec.json.encode(told)!r})")
    with pytest.raises(SignalsError, match="restart the daemon"):
        await brain(code="c0de").compute(DAY, [], AT)
    crash = await brain(code="c0de").regime(DAY, AT)
    assert crash.regime is Regime.CRASH, "and is sold on"
    assert (await brain(code=ran).compute(DAY, [], AT)).regime is Regime.TREND_BULL


@pytest.mark.asyncio
async def test_s181_the_keys_are_in_the_childs_environment_only_and_little_else_is(child):
    folder = child(
        "here = os.path.dirname(sys.argv[0])\n"
        "open(os.path.join(here, 'environ'), 'w').write(repr(dict(os.environ)))\n"
        "open(os.path.join(here, 'question'), 'wb').write(sys.stdin.buffer.read())\n"
        f"sys.stdout.buffer.write({msgspec.json.encode(WorkerReply(True, ANSWER))!r})"
    )
    source = {"PATH": os.environ["PATH"], "HOME": "/home/ada", "ALPACA_LARGE_SECRET": "other"}
    await brain(environ=source).compute(DAY, [], AT)
    seen = (folder / "environ").read_text()
    assert all(name in seen for name in KEY_VARIABLES)
    assert "s3cr3t" in seen
    assert "ALPACA_LARGE_SECRET" not in seen
    assert b"s3cr3t" not in (folder / "question").read_bytes()


@pytest.mark.asyncio
async def test_a_child_that_hangs_is_killed_at_the_deadline(child):
    folder = child(
        "open(os.path.join(os.path.dirname(sys.argv[0]), 'pid'), 'w').write(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    with pytest.raises(SignalsError, match="no answer within"):
        await brain(deadline_s=1.0).compute(DAY, [], AT)
    assert is_gone(folder / "pid")


@pytest.mark.asyncio
async def test_a_child_dies_with_the_question_that_was_dropped(child):
    folder = child(
        "open(os.path.join(os.path.dirname(sys.argv[0]), 'pid'), 'w').write(str(os.getpid()))\n"
        "time.sleep(600)"
    )
    task = asyncio.create_task(brain().compute(DAY, [], AT))
    await asyncio.to_thread(wait_for, folder / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert is_gone(folder / "pid")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("sys.exit('no memory left')", "ended with 1: no memory left"),
        ("os.kill(os.getpid(), 9)", "ended with -9"),
        ("print('not JSON')", "ended with 0"),
        ("sys.stdout.buffer.write(b'\\xff\\xfe')", "ended with 0"),
        ('print(\'{"ok": true, "answer": {}}\')', "ended with 0"),
    ],
)
async def test_a_child_that_dies_or_babbles_is_no_answer(child, body, said):
    child(body)
    with pytest.raises(SignalsError, match=said):
        await brain().compute(DAY, [], AT)


@pytest.mark.asyncio
async def test_a_child_that_cannot_be_started_is_no_answer(monkeypatch):
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(SignalsError, match="did not start"):
        await brain().compute(DAY, [], AT)


def test_the_workers_own_reason_comes_through_with_its_kind():
    reply = WorkerReply(ok=False, error="universe 'x' is unknown", kind=FailureKind.CONFIG)
    with pytest.raises(SignalsError, match="universe 'x'") as caught:
        read_reply(msgspec.json.encode(reply), b"", 0)
    assert caught.value.exit_code == 78
    with pytest.raises(SignalsError, match="no reason given"):
        read_reply(b'{"ok": false}', b"", 0)
