"""`atlasd scale`: shown, lowered, denied with the reason, and asked for by the account's name."""

import json
from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.cli.scale import read_scale
from atlas_daemon.core.errors import UsageError
from tests.cli.test_rebalance import LIVE
from tests.control.desk import DeskThread, settings_in


@pytest.fixture
def live(shell, tmp_path):
    Path("atlas.toml").write_text(LIVE.replace('"123"', '"PA1"'))
    return settings_in(
        tmp_path, account__mode="live", account__number="PA1", regime__source="file:regime.json"
    )


def test_it_is_shown_with_the_count_of_clean_days(shell, live):
    with DeskThread(live):
        said = shell("scale")
        told = json.loads(shell("scale", "--json").output)

    assert said.exit_code == 0
    assert "[LIVE] LARGE  scale 25 % of normal sizes" in said.output
    assert "0 of 30 clean sessions (nothing was bought live yet)" in said.output
    assert told["scale"] == "0.25"


def test_without_a_daemon_the_journal_says_it(shell, live):
    with DeskThread(live):
        shell("scale", "0.1", "--account", "LARGE")
    said = shell("scale")

    assert "daemon not running" in said.output
    assert "scale 10 % of normal sizes" in said.output


def test_lowered_it_says_from_when_it_counts(shell, live):
    with DeskThread(live) as running:
        said = shell("scale", "10%", "--account", "large")
        assert running.desk.state.ramp.scale == Decimal("0.1")

    assert said.exit_code == 0
    assert "scale lowered from 25 % to 10 %" in said.output
    assert "from the next rebalance (a slot, or `atlasd rebalance --force`)" in said.output


def test_an_early_raise_exits_3_and_says_how_many_days_are_missing(shell, live):
    with DeskThread(live):
        said = shell("scale", "0.5", "--account", "LARGE")

    assert said.exit_code == 3
    assert "nothing was bought live yet: 30 clean sessions come first" in said.output


def test_the_accounts_name_is_asked_for(shell, live):
    with DeskThread(live) as running:
        unasked, other = shell("scale", "0.1"), shell("scale", "0.1", "--account", "SMALL")
        assert running.desk.state.ramp.scale is None

    assert (unasked.exit_code, other.exit_code) == (2, 2)
    assert "--account LARGE is needed to change the scale to 10 %" in unasked.output


def test_outside_live_there_is_none(shell):
    said = shell("scale", "0.1")

    assert said.exit_code == 3
    assert "mode: [LOCAL] LARGE has no scale" in said.output


def test_without_a_daemon_nothing_is_changed(shell, live):
    said = shell("scale", "0.1", "--account", "LARGE")

    assert said.exit_code == 1
    assert "no daemon runs, so nothing can be put on record" in said.output


def test_a_scale_is_a_fraction_or_a_percentage():
    assert read_scale("0.5") == read_scale(" 50% ") == Decimal("0.5")
    assert read_scale("100%") == 1
    for text in ("0", "-1", "1.01", "101%", "half", "NaN", "inf", "", "1e-9"):
        with pytest.raises(UsageError, match="SCALE"):
            read_scale(text)
