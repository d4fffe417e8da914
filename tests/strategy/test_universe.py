from datetime import date

import pytest

from atlas_daemon.core.brain import UNIVERSE_NAMES, FailureKind, SignalsError
from atlas_daemon.strategy.universe import ALL, NAMED, members_on, resolve_universe
from tests.bars.builders import SHARED_BARS, real_data

DAY = date(2024, 1, 31)
HEADER = "ticker,start_date,end_date,data_symbol\n"


def members_file(tmp_path, text):
    path = tmp_path / "members.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("name", "size"),
    [("technology", 30), ("sp500_proxy", 40), ("healthcare", 20), ("financials", 20)],
)
def test_named_lists_have_their_size_no_twins_and_say_that_they_are_biased(name, size):
    universe = resolve_universe(name, DAY)
    assert len(set(universe.symbols)) == size
    assert "survivorship-biased" in universe.notes[0]
    assert universe.symbols == NAMED[name]


def test_all_leaves_the_choice_to_the_data():
    assert resolve_universe("all", DAY).symbols is None


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("AAPL,MSFT", ("AAPL", "MSFT")),
        (" AAPL , BRK-B", ("AAPL", "BRK.B")),
        ("SPY", ("SPY",)),
    ],
)
def test_a_list_is_taken_in_its_order_in_alpacas_spelling(text, symbols):
    assert resolve_universe(text, DAY).symbols == symbols


@pytest.mark.parametrize("text", ["tech", "Technology", "", "spy"])
def test_an_unknown_name_is_refused_with_the_names_there_are(text):
    with pytest.raises(SignalsError, match="allowed: technology, sp500_proxy") as caught:
        resolve_universe(text, DAY)
    assert caught.value.kind is FailureKind.CONFIG
    assert caught.value.exit_code == 78


@pytest.mark.parametrize("text", ["BRK.B,AAPL,BRK-B", "BRK-B,BRK-B,A"])
def test_a_symbol_that_stands_in_a_list_twice_is_refused(text):
    with pytest.raises(
        SignalsError, match=r"universe: BRK\.B stands there more than once"
    ) as caught:
        resolve_universe(text, DAY)
    assert caught.value.kind is FailureKind.CONFIG


@pytest.mark.parametrize("text", ["AAPL,", "AAPL,msft", "AAPL,^VIX", "AAPL;MSFT,X"])
def test_a_bad_symbol_in_a_list_is_refused(text):
    with pytest.raises(SignalsError, match=r"strategy\.universe: .* is no ticker symbol"):
        resolve_universe(text, DAY)


@pytest.mark.parametrize(
    ("day", "member"),
    [
        (date(2024, 1, 1), False),
        (date(2024, 1, 2), True),
        (date(2024, 3, 31), True),
        (date(2024, 4, 1), False),
    ],
)
def test_an_interval_holds_its_start_and_not_its_end(tmp_path, day, member):
    text = HEADER + "AAA,2024-01-02,2024-04-01,AAA\nZZZ,2000-01-01,,ZZZ\n"
    universe = members_on(members_file(tmp_path, text), day)
    assert ("AAA" in universe.symbols) is member
    assert "ZZZ" in universe.symbols


def test_a_renamed_ticker_is_picked_by_the_name_of_its_series_and_only_once(tmp_path):
    text = HEADER + "CDAY,2021-09-20,2024-02-01,DAY\nDAY,2024-02-01,,DAY\n"
    path = members_file(tmp_path, text)
    before, after = (members_on(path, date(2024, 1, 31)), members_on(path, date(2024, 2, 1)))
    assert before.symbols == after.symbols == ("DAY",)
    assert (before.then, after.then) == ({"DAY": "CDAY"}, {})


def test_members_without_a_series_are_counted_aloud(tmp_path):
    text = HEADER + "AAA,2000-01-01,,AAA\nGONE,2000-01-01,,\n"
    universe = members_on(members_file(tmp_path, text), DAY)
    assert universe.symbols == ("AAA",)
    assert universe.notes == (f"1 of 2 members of members.csv on {DAY} have no series: GONE",)


def test_without_the_data_symbol_column_a_ticker_names_its_series(tmp_path):
    path = members_file(tmp_path, "ticker,start_date,end_date\nBRK-B,2000-01-01,\n")
    assert resolve_universe(f"file:{path}", DAY).symbols == ("BRK.B",)


@pytest.mark.parametrize("column", ["symbol", "ticker"])
def test_a_file_of_symbols_alone_is_a_list_and_says_that_it_may_be_biased(tmp_path, column):
    path = members_file(tmp_path, f"{column}\nBRK-B\n\nAAA\n")
    universe = resolve_universe(f"file:{path}", DAY)
    assert universe.symbols == ("BRK.B", "AAA")
    assert universe.label == "of members.csv"
    assert "survivorship-biased" in universe.notes[0]


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        ("symbol\n", "members.csv: names no symbol", "empty"),
        ("symbol\nAAA\nBRK-B\nBRK.B\n", "line 4: BRK.B stands in line 3 too", "config"),
        ("symbol\nAAA\nbbb\n", "line 3: 'bbb' is no ticker symbol", "config"),
        ("symbol\nAAA,BBB\n", "line 2: has not 1 fields", "config"),
        ("symbol\nAAA\n \n", "line 3: '' is no ticker symbol", "config"),
    ],
)
def test_a_bad_file_of_symbols_is_one_line_with_its_place(tmp_path, text, words, kind):
    path = members_file(tmp_path, text)
    with pytest.raises(SignalsError) as caught:
        resolve_universe(f"file:{path}", DAY)
    assert str(caught.value).startswith(str(path))
    assert words in str(caught.value)
    assert caught.value.kind is FailureKind(kind)


@pytest.mark.parametrize(
    ("text", "words", "kind"),
    [
        (None, "cannot be read as members", "config"),
        ("", "lacks the column ticker", "config"),
        ("ticker,start_date\nA,2020-01-01\n", "lacks the column end_date", "config"),
        (HEADER + "AAA,soon,,AAA\n", "line 2: 'soon' is no date", "config"),
        (HEADER + "AAA,2020-01-01,,AAA\nBBB,2020-01-01\n", "line 3: has not 4 fields", "config"),
        (HEADER + "AAA,2020-01-02,2020-01-01,A\n", "line 2: ends before it starts", "config"),
        (HEADER + "AAA,2020-01-01,,^VIX\n", "line 2: '^VIX' is no ticker symbol", "config"),
        (HEADER + "AAA,2020-01-01,2020-02-01,A\n", "no member with a series on", "empty"),
    ],
)
def test_a_bad_membership_file_is_one_line_with_its_place(tmp_path, text, words, kind):
    path = tmp_path / "members.csv" if text is None else members_file(tmp_path, text)
    with pytest.raises(SignalsError) as caught:
        members_on(path, DAY)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.kind is FailureKind(kind)


@real_data
@pytest.mark.parametrize(
    ("day", "members", "covered"),
    [(date(2020, 3, 16), 505, 499), (date(2024, 2, 1), 504, 504), (date(2024, 8, 1), 503, None)],
)
def test_the_real_membership_has_about_five_hundred_members(day, members, covered):
    universe = members_on(SHARED_BARS.with_name("sp500_membership.csv"), day)
    uncovered = int(universe.notes[0].split()[0]) if universe.notes else 0
    assert abs(len(universe.symbols) + uncovered - members) <= 1
    if covered is not None:
        assert abs(len(universe.symbols) - covered) <= 1


def test_the_configuration_knows_every_universe_that_has_a_name():
    assert (*NAMED, ALL) == UNIVERSE_NAMES
