"""The one line for `systemctl status`: doing what, for whom, how fresh, and what is in the way."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import Figures, Halt, State
from atlas_daemon.core.values import Mode
from atlas_daemon.core.views import stands_elsewhere, status_line

NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC)
POLICY = Policy()
SEEN = Figures(matched_at=NOW - timedelta(seconds=12), stream="listening")
TRADING = State(now=NOW, mode=Mode.TRADING, figures=SEEN, born_at=NOW)


def line(state: State, now: datetime = NOW, fault: str = "") -> str:
    return status_line(state, POLICY, "paper LARGE", now, fault)


def test_waiting_it_names_the_slot_and_the_days() -> None:
    assert line(TRADING) == "waiting for 2027-02-01 (71 days); paper LARGE; reconciled 12 s ago"


@pytest.mark.parametrize(("day", "soon"), [(31, "tomorrow"), (30, "2 days"), (1, "today")], ids=str)
def test_a_slot_that_is_near_is_near(day: int, soon: str) -> None:
    month = 2 if day == 1 else 1
    now = datetime(2027, month, day, 13, 0, tzinfo=UTC)
    assert f"waiting for 2027-02-01 ({soon})" in line(TRADING, now)


def test_anything_but_trading_says_why() -> None:
    text = line(State(now=NOW))
    assert text.startswith("starting; paper LARGE; not reconciled; ")
    halted = replace(TRADING, mode=Mode.HALTED, halt=Halt("SIGUSR1", "signal", NOW))
    assert line(halted).startswith("halted; paper LARGE; reconciled 12 s ago; ")


def test_a_journal_that_takes_nothing_is_said() -> None:
    assert line(TRADING, fault="disk full").endswith("; the journal cannot be written: disk full")


def test_only_another_mode_or_phase_is_news() -> None:
    assert stands_elsewhere(State(now=NOW), TRADING)
    assert not stands_elsewhere(TRADING, replace(TRADING, now=NOW + timedelta(days=1)))
