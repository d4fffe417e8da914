"""A store over time: what a top-up asks for, and what it makes of the answers."""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.bars.actions import Action
from atlas_daemon.bars.checks import examine
from atlas_daemon.bars.raw import joined
from atlas_daemon.bars.stored import StoredBars
from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.core.sessions import NYSE
from tests.bars.builders import sessions
from tests.bars.vendors import MadeUpVendor, a_dividend, a_split

DAYS = sessions(30)
FIRST, END = DAYS[0], DAYS[-1]


@pytest.fixture
def vendor():
    vendor = MadeUpVendor()
    vendor.gives("AAA", [100.0 + n for n in range(30)])
    vendor.gives("SPY", [480.0] * 30)
    return vendor


def morning_after(day):
    return datetime.combine(day + timedelta(days=1), time(13, 30), UTC)


def load(vendor, folder, end=END, symbols=("AAA", "SPY"), start=FIRST, now=None):
    """One process: everything but the folder is new."""
    source = StoredBars(vendor, folder, now or morning_after(end), lock_wait_s=0)
    return source.load(set(symbols), start, end, NYSE.session_after(end).day)


def closes(bars, symbol="AAA"):
    column = bars.close_traded[:, bars.column(symbol)]
    return [close for close in column.tolist() if close == close]


def totals(bars, symbol="AAA"):
    return bars.close_total[:, bars.column(symbol)].tolist()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "sip"


def begun(vendor, folder, end=DAYS[-2]):
    """A store that was brought up to the session before the last."""
    bars = load(vendor, folder, end)
    vendor.asked.clear()
    return bars


def test_the_first_load_asks_for_everything_and_keeps_it(vendor, folder):
    bars = load(vendor, folder)
    assert closes(bars) == [100.0 + n for n in range(30)]
    assert vendor.took() == [(("AAA", "SPY"), FIRST)]
    assert {path.suffix for path in folder.iterdir()} == {"", ".json", ".parquet"}
    assert bars.notes == ()


def test_a_top_up_asks_for_the_last_five_sessions_and_what_is_new(vendor, folder):
    begun(vendor, folder)
    bars = load(vendor, folder)
    assert closes(bars) == [100.0 + n for n in range(30)]
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-6])]
    assert bars.notes == ()


@pytest.mark.parametrize("bad", [-5.0, 0.0, float("nan"), "twice"])
def test_one_bad_answer_does_not_stay_in_the_store(vendor, folder, bad):
    sell = vendor.bars
    if bad == "twice":
        vendor.bars = lambda *words: joined([sell(*words)] * 2)
    else:
        vendor.series["AAA"][DAYS[3]] = (100.0, 110.0, 90.0, bad, 1000.0)
    first = begun(vendor, folder)
    assert [symbol for symbol, _ in examine(first, ["AAA"], DAYS[-2]).refused] == ["AAA"]
    vendor.bars = sell
    vendor.series["AAA"][DAYS[3]] = 103.0
    bars = load(vendor, folder)
    assert closes(bars) == [100.0 + n for n in range(30)]
    assert examine(bars, ["AAA", "SPY"], END).refused == ()
    assert any("AAA (a bar of it cannot be right)" in note for note in bars.notes)


def test_a_long_pause_is_one_top_up(vendor, folder):
    begun(vendor, folder, DAYS[9])
    assert closes(load(vendor, folder)) == [100.0 + n for n in range(30)]
    assert vendor.took() == [(("AAA", "SPY"), DAYS[5])]


def test_minutes_later_nothing_is_asked_again(vendor, folder):
    now = morning_after(END)
    first = load(vendor, folder, now=now)
    vendor.asked.clear()
    again = load(vendor, folder, now=now + timedelta(minutes=9))
    assert vendor.asked == []
    assert closes(again) == closes(first)
    load(vendor, folder, now=now + timedelta(minutes=10))
    assert [what for what, *_ in vendor.asked] == ["actions", "bars"]


def test_a_split_between_two_top_ups_fetches_the_symbol_whole_and_rebases_it(vendor, folder):
    begun(vendor, folder)
    vendor.series["AAA"][END] = 12.9
    vendor.told.append(a_split("AAA", END, 10.0))
    bars = load(vendor, folder)
    assert vendor.took() == [(("SPY",), DAYS[-6]), (("AAA",), FIRST)]
    assert closes(bars)[-2:] == [128.0, 12.9]
    assert totals(bars)[-2:] == pytest.approx([12.8, 12.9])
    assert bars.notes == (f"bars fetched whole: AAA (forward split on {END})",)
    assert examine(bars, ["AAA", "SPY"], END).refused == ()


def test_a_split_announced_ahead_counts_from_its_day_on(vendor, folder):
    vendor.told.append(a_split("AAA", END, 10.0))
    before = begun(vendor, folder)
    assert totals(before)[-1] == 128.0
    assert before.splits_next == {"AAA": 10.0}
    vendor.series["AAA"][END] = 12.9
    bars = load(vendor, folder)
    assert (("AAA",), FIRST) in vendor.took()
    assert totals(bars)[-2:] == pytest.approx([12.8, 12.9])
    assert bars.splits_next == {}


def test_a_split_that_was_taken_back_is_forgotten(vendor, folder):
    vendor.told.append(a_split("AAA", DAYS[-4], 10.0))
    assert totals(begun(vendor, folder))[0] == pytest.approx(10.0)
    vendor.told.clear()
    assert totals(load(vendor, folder))[0] == 100.0
    assert (("AAA",), FIRST) in vendor.took()


def test_a_dividend_between_two_top_ups_changes_the_past_without_asking_for_it(vendor, folder):
    begun(vendor, folder)
    # Processed when it is paid, weeks after it went ex.
    vendor.told.append(a_dividend("AAA", END, 12.8, processed=END + timedelta(days=30)))
    bars = load(vendor, folder)
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-6])]
    assert totals(bars)[-2] == pytest.approx(128.0 - 12.8)
    assert closes(bars)[-2] == 128.0


@pytest.mark.parametrize("paid_after_days", [0, 30])
def test_a_dividend_that_was_corrected_counts_once(vendor, folder, paid_after_days):
    when = {"processed": DAYS[-3] + timedelta(days=paid_after_days)}
    vendor.told.append(a_dividend("AAA", DAYS[-3], 1.0, **when))
    begun(vendor, folder)
    vendor.told[0] = a_dividend("AAA", DAYS[-3], 12.6, **when)
    assert totals(load(vendor, folder))[-4] == pytest.approx(126.0 - 12.6)


def test_a_rename_fetches_the_new_name_whole_and_names_the_old_one(vendor, folder):
    vendor.gives("OLD", [10.0] * 29, DAYS[-2])
    begun(vendor, folder, DAYS[-2])
    load(vendor, folder, DAYS[-2], ("OLD",))
    vendor.asked.clear()
    # The new name answers for the company's whole past.
    vendor.gives("NEW", [10.0] * 30)
    vendor.told.append(Action("OLD", "name_change", END, END, other="NEW"))
    bars = load(vendor, folder, symbols=("NEW", "OLD", "SPY"))
    took = dict(vendor.took())
    assert took[("NEW", "OLD")] == FIRST
    refused = dict(examine(bars, ["NEW", "OLD"], END).refused)
    assert refused == {
        "OLD": f"last bar is {DAYS[-2]}, not the signal session {END}: renamed to NEW on {END}"
    }


def test_a_name_that_takes_over_another_companys_symbol_is_fetched_whole(vendor, folder):
    begun(vendor, folder)
    vendor.series["AAA"] = dict(zip(DAYS, [7.0] * 30, strict=True))
    vendor.told.append(Action("ZZZ", "name_change", END, END, other="AAA"))
    assert closes(load(vendor, folder)) == [7.0] * 30


def test_a_restated_bar_fetches_the_symbol_whole(vendor, folder):
    begun(vendor, folder)
    vendor.series["AAA"][DAYS[-3]] = (127.0, 127.5, 127.0, 127.0, 1000.0)
    vendor.series["AAA"][DAYS[3]] = 55.0
    bars = load(vendor, folder)
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-6]), (("AAA",), FIRST)]
    assert closes(bars)[3] == 55.0
    assert bars.notes == ("bars fetched whole: AAA (its bars were restated)",)


@pytest.mark.parametrize("day", [DAYS[-3], DAYS[-2]])
def test_a_bar_that_vanished_is_a_restatement(vendor, folder, day):
    begun(vendor, folder)
    del vendor.series["AAA"][day]
    assert len(closes(load(vendor, folder))) == 29
    assert (("AAA",), FIRST) in vendor.took()


def test_a_bar_that_came_late_is_a_restatement_unless_it_is_the_newest(vendor, folder):
    missing = vendor.series["AAA"].pop(DAYS[-3])
    begun(vendor, folder)
    vendor.series["AAA"][DAYS[-3]] = missing
    assert len(closes(load(vendor, folder))) == 30
    assert (("AAA",), FIRST) in vendor.took()


def test_the_last_bar_may_come_late_without_more_ado(vendor, folder):
    missing = vendor.series["AAA"].pop(END)
    begun(vendor, folder, END)
    vendor.series["AAA"][END] = missing
    bars = load(vendor, folder, now=morning_after(END) + timedelta(hours=1))
    assert closes(bars)[-1] == missing
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-5])]


def test_shares_corrected_later_stand_without_asking_for_the_past(vendor, folder):
    begun(vendor, folder)
    vendor.series["AAA"][DAYS[-3]] = (127.0, 127.0, 127.0, 127.0, 1234.0)
    bars = load(vendor, folder)
    assert bars.volume[-3, bars.column("AAA")] == 1234.0
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-6])]


def test_a_longer_past_is_fetched_whole_and_a_shorter_one_is_there(vendor, folder):
    load(vendor, folder, start=DAYS[10])
    assert vendor.took() == [(("AAA", "SPY"), DAYS[10])]
    bars = load(vendor, folder, symbols=("SPY",), start=FIRST)
    assert vendor.took() == [(("SPY",), FIRST)]
    assert len(closes(bars, "SPY")) == 30
    bars = load(vendor, folder, start=DAYS[20], now=morning_after(END) + timedelta(hours=1))
    assert len(closes(bars)) == 10
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-5])]


def test_another_universe_asks_for_its_new_members_only(vendor, folder):
    begun(vendor, folder, END)
    vendor.gives("BBB", [5.0] * 30)
    bars = load(vendor, folder, symbols=("BBB", "SPY"))
    assert vendor.took() == [(("BBB",), FIRST)]
    assert bars.symbols == ("BBB", "SPY")
    assert closes(load(vendor, folder))[0] == 100.0


def test_a_brand_new_symbol_has_what_there_is(vendor, folder):
    begun(vendor, folder)
    vendor.series["NEW"] = {END: 42.0}
    bars = load(vendor, folder, symbols=("NEW", "SPY"))
    assert closes(bars, "NEW") == [42.0]


def test_a_symbol_listed_since_the_last_time_is_fetched_from_its_beginning(vendor, folder):
    load(vendor, folder, DAYS[-4], ("NEW", "SPY"))
    vendor.series["NEW"] = {DAYS[-3]: 41.0, END: 42.0}
    bars = load(vendor, folder, symbols=("NEW", "SPY"))
    assert closes(bars, "NEW") == [41.0, 42.0]


def test_a_delisted_symbol_is_topped_up_like_others_and_refused_by_the_checks(vendor, folder):
    vendor.gives("GONE", [3.0] * 15, DAYS[14])
    load(vendor, folder, DAYS[-2], ("GONE", "SPY"))
    vendor.told.append(Action("GONE", "cash_merger", DAYS[15], DAYS[15]))
    vendor.asked.clear()
    bars = load(vendor, folder, symbols=("GONE", "SPY"))
    assert vendor.took() == [(("GONE", "SPY"), DAYS[-6])]
    assert dict(examine(bars, ["GONE"], END).refused) == {
        "GONE": f"last bar is {DAYS[14]}, not the signal session {END}: cash merger on {DAYS[15]}"
    }


def test_a_symbol_that_comes_back_after_a_pause_is_fetched_whole(vendor, folder):
    vendor.gives("GONE", [3.0] * 15, DAYS[14])
    load(vendor, folder, DAYS[-2], ("GONE", "SPY"))
    vendor.series["GONE"] = {END: 99.0}
    bars = load(vendor, folder, symbols=("GONE", "SPY"))
    assert closes(bars, "GONE") == [99.0]


def test_a_clock_that_was_set_back_gets_the_bars_of_its_own_day(vendor, folder):
    load(vendor, folder)
    vendor.asked.clear()
    bars = load(vendor, folder, DAYS[-4])
    assert closes(bars)[-1] == 126.0
    assert len(bars.sessions) == 27
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-8])]
    assert closes(load(vendor, folder)) == [100.0 + n for n in range(30)]
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-5])]


def test_an_old_session_is_looked_at_without_touching_the_store(vendor, folder):
    begun(vendor, folder, END)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    long_ago = FIRST - timedelta(days=400)
    now = morning_after(END) + timedelta(hours=1)
    bars = load(vendor, folder, DAYS[4], start=long_ago, now=now)
    assert closes(bars) == [100.0, 101.0, 102.0, 103.0, 104.0]
    assert vendor.took() == [(("AAA", "SPY"), long_ago)]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_spin_off_is_worth_the_other_companys_first_close(vendor, folder):
    begun(vendor, folder)
    vendor.series["AAA"][END] = 118.0
    vendor.series["SPUN"] = {END: 22.0}
    spun = Action("AAA", "spin_off", END, END, ratio=0.5, cash=None, other="SPUN")
    vendor.told.append(spun)
    bars = load(vendor, folder)
    assert totals(bars)[-2] == pytest.approx(128.0 - 11.0)
    assert (("SPUN",), END) in vendor.took()
    later = load(vendor, folder, now=morning_after(END) + timedelta(hours=1))
    assert totals(later) == totals(bars)
    assert vendor.took() == [(("AAA", "SPY"), DAYS[-5])]


def test_a_spin_off_without_a_price_leaves_its_symbol_without_total_returns(vendor, folder):
    vendor.told.append(Action("AAA", "spin_off", END, END, ratio=0.5, cash=None, other="SPUN"))
    bars = load(vendor, folder)
    refused = examine(bars, ["AAA", "SPY"], END).refused
    assert refused == (("AAA", f"spin off on {END}: its total return cannot be computed"),)


def test_without_a_folder_nothing_is_kept_and_the_answer_is_the_same(vendor, folder):
    kept = load(vendor, folder)
    loose = load(vendor, None)
    assert closes(loose) == closes(kept)
    assert loose.notes == ()


def test_a_vendor_that_fails_leaves_the_store_as_it_was(vendor, folder):
    begun(vendor, folder)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    vendor.fails = SignalsError("no line")
    with pytest.raises(SignalsError, match="no line"):
        load(vendor, folder)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize(
    ("changes", "kind", "words"),
    [
        ({"symbols": ("NONE",)}, "data", f"made-up bars have none on {END} of any symbol asked"),
        ({"end": date(2024, 1, 28)}, "data", "2024-01-28 is no session"),
    ],
)
def test_what_cannot_be_answered_is_said(vendor, changes, kind, words):
    with pytest.raises(SignalsError, match=words) as caught:
        load(vendor, None, **changes)
    assert caught.value.kind is FailureKind(kind)


def test_all_symbols_of_a_vendor_are_too_many(vendor):
    source = StoredBars(vendor, None, morning_after(END))
    with pytest.raises(SignalsError, match="all needs bars from a file"):
        source.load(None, FIRST, END, END)


# What happens to a vendor's data between two loads, and how many sessions ago: as far back as a
# top-up reads again.
HAPPENINGS = st.lists(
    st.tuples(
        st.sampled_from(["restate", "drop", "split", "unsplit", "dividend", "nothing"]),
        st.integers(0, 3),
        st.integers(1, 4),
    ),
    max_size=6,
)


@settings(max_examples=8, deadline=None)
@given(HAPPENINGS)
def test_a_store_says_what_a_fresh_one_says_whatever_happened_in_between(tmp_path_factory, steps):
    folder = tmp_path_factory.mktemp("store") / "sip"
    vendor = MadeUpVendor()
    vendor.gives("AAA", [100.0 + n for n in range(30)])
    vendor.gives("SPY", [480.0] * 30)
    load(vendor, folder, DAYS[20])
    for newest, (what, ago, size) in enumerate(steps, start=21):
        happens(vendor, what, DAYS[newest - ago], size)
        kept, fresh = load(vendor, folder, DAYS[newest]), load(vendor, None, DAYS[newest])
        assert totals(kept) == pytest.approx(totals(fresh), nan_ok=True)
        assert kept.splits_next == fresh.splits_next


def happens(vendor, what, day, size):
    if what == "restate":
        vendor.series["AAA"][day] = 50.0 + size
    elif what == "drop":
        vendor.series["AAA"].pop(day, None)
    elif what == "split":
        vendor.told.append(a_split("AAA", day, 1.0 + size))
    elif what == "unsplit":
        vendor.told = [one for one in vendor.told if one.kind == "cash_dividend"]
    elif what == "dividend":
        vendor.told.append(a_dividend("AAA", day, float(size)))
    vendor.told = list(dict.fromkeys(vendor.told))
