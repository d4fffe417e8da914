"""The benches still run, each with too few samples to mean anything."""

import json
from pathlib import Path

import pytest

from atlas_daemon.core import events as e
from bench.__main__ import PARTS, main
from bench.figure import Figure
from bench.growth import figures as growth_figures
from bench.rebalance import LINES, OPENS_AT, Desk
from bench.seed import resting
from bench.words import ORDERS_OF_BURST, update_words, ws_frame


@pytest.mark.e2e
@pytest.mark.parametrize(
    ("part", "rows"),
    [
        ("orders", ["alpaca-py's TradingClient", "ours", "ours, its whole run"]),
        ("stream", ["alpaca-py's TradingStream", "ours, frame to record", "ours, socket to disk"]),
        ("stop", ["SIGUSR1 to DELETE /v2/orders, p99"]),
        ("fill", ["a fill's frame to its fsynced entry, p99"]),
    ],
)
def test_a_part_that_starts_processes_still_measures(part: str, rows: list[str]):
    found = {figure.what.split(": ")[-1]: figure for figure in PARTS[part](True)}
    assert [row for row in rows if row not in found] == []
    assert all(figure.seconds and figure.seconds > 0 for figure in found.values())


@pytest.mark.e2e
def test_the_page_s_part_still_measures():
    found = {figure.what: figure for figure in PARTS["page"](True)}
    measured = [what for what, figure in found.items() if figure.seconds and figure.seconds > 0]
    assert measured == [
        "GET /: first byte, the first time",
        "GET /: first byte",
        "an order's way out, no page open",
        "an order's way out, 3 pages listening",
        "an order's way out, 3 pages asking for what changed",
    ]
    assert found["chronicle and page kept over ten years"].text.endswith(" MB")


def test_an_unknown_part_is_named_and_refused(capsys: pytest.CaptureFixture[str]):
    assert main(["speed"]) == 2
    assert "speed" in capsys.readouterr().err


def test_growth_measures_the_same_run_at_each_length():
    found = list(growth_figures(is_quick=True))
    assert [figure.what for figure in found] == [
        "an order behind 100 entries",
        "an order behind 400 entries",
    ]
    assert all(figure.seconds and figure.seconds > 0 for figure in found)


def test_a_run_of_the_bench_sends_twenty_orders_and_ends_done(tmp_path: Path):
    desk = Desk(tmp_path)
    desk.drain()
    desk.run()
    assert desk.submits == LINES
    assert len(desk.held) == LINES
    desk.run()
    assert desk.submits == 2 * LINES
    assert desk.held == {}
    assert desk.bus.state.last_run is not None
    assert desk.bus.state.last_run.outcome == "done"
    desk.journal.close()


def test_the_burst_fills_each_resting_order_by_ones():
    filled: dict[str, int] = {}
    for words in update_words(3 * ORDERS_OF_BURST):
        order = words["data"]["order"]
        name, so_far = order["client_order_id"], int(order["filled_qty"])
        assert so_far == filled.get(name, 0) + 1
        filled[name] = so_far
    entries = resting(OPENS_AT, 3)
    names = {x.event.order_id for x in entries if isinstance(x.event, e.OrderSubmitted)}
    assert names == set(filled)


def test_a_frame_carries_its_length_and_its_payload():
    payload = json.dumps(next(update_words(1))).encode()
    framed = ws_frame(payload)
    assert framed[0] == 0x82
    assert int.from_bytes(framed[2:4], "big") == len(payload)
    assert framed[4:] == payload


@pytest.mark.parametrize(
    ("seconds", "shown"), [(12e-6, "12.0 us"), (0.0042, "4.2 ms"), (3.14159, "3.14 s")]
)
def test_a_figure_is_shown_in_the_unit_that_suits_it(seconds: float, shown: str):
    assert Figure("a", "b", seconds).shown() == shown
