"""The golden figures: what the strategy wanted on real days, and that it never looked ahead."""

from datetime import date, timedelta
from decimal import Decimal

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from tests.bars.builders import SHARED_BARS, real_data
from tests.worker_requests import MEMBERS, answered, ratios

TECHNOLOGY = {
    date(2024, 1, 31): "NFLX .9732 CRM .9717 ADBE .9710 NVDA .9690 NOW .9690 ACN .9685 PANW .9655 "
    "INTU .9653 META .9601 MSFT .9573",
    date(2020, 3, 13): "",
}
MEMBERS_TOP = {
    date(2020, 3, 13): "DLR .998 GIS .960 EQIX .949 LLY .947 WEC .941 CLX .938",
    date(2024, 1, 31): "SYY .9934 TDG .9933 AMGN .9925 PG .9914 CL .9912 COR .9899",
    date(2024, 7, 31): "EVRG .9991 SO .9978 DTE .9971 NI .9965 CINF .9965 EBAY .9955",
}


def golden(text):
    words = text.split()
    return [(name, Decimal(ratio)) for name, ratio in zip(words[::2], words[1::2], strict=True)]


@real_data
@pytest.mark.parametrize(("day", "picks"), TECHNOLOGY.items(), ids=str)
def test_the_technology_picks_on_real_bars(day, picks):
    assert ratios(answered(SHARED_BARS, signal_day=day).picks) == golden(picks)


@real_data
def test_only_eight_of_technology_pass_on_2024_07_31():
    got = answered(SHARED_BARS, signal_day=date(2024, 7, 31))
    names = [pick.symbol for pick in got.picks]
    assert names == ["IBM", "TXN", "INTU", "NOW", "ORCL", "AAPL", "KLAC", "NFLX"]
    assert {pick.weight for pick in got.picks} == {Decimal("0.125")}
    assert "8 of 10 wanted lines pass the threshold; each is weighted among 8" in got.notes


@real_data
def test_in_the_crash_of_2020_no_technology_passes_and_that_is_all_cash():
    got = answered(SHARED_BARS, signal_day=date(2020, 3, 13))
    assert got.picks == ()
    assert got.candidates == 29
    assert "no candidate passes: all cash (29 rated)" in got.notes
    assert got.refused == (("CRWD", "191 of 252 sessions of bars"),)


@real_data
def test_picks_are_priced_as_traded():
    got = answered(SHARED_BARS, held=("TSLA", "BRK-B"))
    assert got.closes["NVDA"] == Decimal("615.27")
    assert {"TSLA", "BRK.B", "SPY"} <= set(got.closes)
    assert got.closes["SPY"] == Decimal("482.88")


@real_data
@pytest.mark.parametrize(("day", "top"), MEMBERS_TOP.items(), ids=str)
def test_the_point_in_time_tops_on_real_bars(day, top):
    wanted = golden(top)
    got = answered(SHARED_BARS, signal_day=day, universe=f"file:{MEMBERS}")
    places = str(wanted[0][1])
    assert ratios(got.picks[: len(wanted)], places) == wanted


@real_data
def test_a_special_dividend_is_no_fall_in_the_ranking():
    # KDP paid $103.75 of its $123.66 on 2018-07-10; the raw ratio would be 0.18.
    got = answered(SHARED_BARS, signal_day=date(2018, 7, 10), universe="KDP", top_n=1)
    assert got.picks[0].ratio > Decimal("0.95")
    assert got.picks[0].close == Decimal("22.19")


@real_data
@pytest.mark.parametrize("universe", ["technology", "all"])
def test_cutting_the_real_file_at_the_signal_day_changes_no_pick(tmp_path, universe):
    day = date(2024, 7, 31)
    start = day - timedelta(days=450)
    table = pq.read_table(SHARED_BARS, filters=[("date", ">=", start)])
    pq.write_table(table, tmp_path / "whole.parquet")
    pq.write_table(table.filter(pc.less_equal(table["date"], day)), tmp_path / "cut.parquet")
    whole = answered(tmp_path / "whole.parquet", signal_day=day, universe=universe)
    cut = answered(tmp_path / "cut.parquet", signal_day=day, universe=universe)
    assert [(p.symbol, p.ratio, p.weight) for p in whole.picks] == [
        (p.symbol, p.ratio, p.weight) for p in cut.picks
    ]


@real_data
def test_the_file_as_it_was_on_the_signal_day_gives_the_same_answer(tmp_path):
    """Splits and dividends that came later are taken out, as a file of that day had them."""
    day = date(2024, 1, 31)
    table = pq.read_table(SHARED_BARS, filters=[("date", ">=", day - timedelta(days=450))])
    frame = table.to_pandas()
    later = frame[(frame["date"] > day) & (frame["split"] > 0)]
    product = later.groupby("symbol", observed=True)["split"].prod().astype(float)
    then = frame[frame["date"] <= day].copy()
    factor = then["symbol"].astype(str).map(product).fillna(1.0)
    last = then.groupby("symbol", observed=True)["adj_factor"].transform("last")
    then["adj_factor"] = then["adj_factor"].astype(float) / last
    for column in ("open", "high", "low", "close"):
        then[column] = then[column].astype(float) * factor
    then["volume"] = then["volume"] / factor
    then.to_parquet(tmp_path / "then.parquet")
    was = answered(tmp_path / "then.parquet", signal_day=day, held=("TSLA", "BRK.B", "WMT"))
    now = answered(SHARED_BARS, signal_day=day, held=("TSLA", "BRK.B", "WMT"))
    assert was.closes == now.closes
    assert ratios(was.picks) == ratios(now.picks)
