"""Ours beside alpaca-py, against one broker, in one run: processor time of the client's process."""

from collections.abc import Iterator

from bench.figure import Figure
from bench.peers import a_broker, cost

ORDERS, ORDERS_QUICK = 400, 20
UPDATES, UPDATES_QUICK = 20_000, 300


def order_figures(is_quick: bool = False) -> Iterator[Figure]:
    """Cost of a submitted order."""
    count = ORDERS_QUICK if is_quick else ORDERS
    with a_broker() as broker:
        theirs = cost("bench.alpaca_py", "orders", broker.url, count)
        ours = cost("bench.ours", "orders", broker.url, count)
    peer_s = theirs["order_s"]
    yield Figure(
        "an order: alpaca-py's TradingClient", f"mean of {count:,}, one by one", seconds=peer_s
    )
    for what, key, how in (
        (
            "an order: ours",
            "order_s",
            "validated, committed, fenced, sent, booked; goal 1/5",
        ),
        ("an order: ours, its whole run", "run_s", "plan, gates, fills, report on top of that"),
        ("an order: our client alone", "client_s", "one by one"),
        ("an order: our records of it", "records_s", "log lines and trade rows, from plan to end"),
    ):
        yield Figure(what, _ratio(ours[key], peer_s, how), seconds=ours[key])


def stream_figures(is_quick: bool = False) -> Iterator[Figure]:
    """Cost of a trade update."""
    count = UPDATES_QUICK if is_quick else UPDATES
    with a_broker() as broker:
        theirs = cost("bench.alpaca_py", "stream", broker.url, count)
        ours = cost("bench.ours", "stream", broker.url, count)
    peer_s = theirs["update_s"]
    yield Figure(
        "an update: alpaca-py's TradingStream",
        f"mean of {count:,} in one burst, socket to record",
        seconds=peer_s,
    )
    yield Figure("an update: alpaca-py, frame to record", "json and pydantic", theirs["parse_s"])
    for what, key, how in (
        ("an update: ours, frame to record", "parse_s", "no socket; goal 1/15"),
        ("an update: ours, socket to record", "update_s", "aiohttp's websocket below it"),
        ("an update: ours, socket to disk", "turn_s", "turn and batched commit; goal 1/2"),
    ):
        yield Figure(what, _ratio(ours[key], peer_s, how), seconds=ours[key])


def _ratio(ours_s: float, theirs_s: float, how: str) -> str:
    return f"1/{theirs_s / ours_s:.1f} of alpaca-py's; {how}"
