import json
import threading
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from atlas_daemon.bars.alpaca import DataAccess, fetch_bars
from atlas_daemon.core.brain import FailureKind, SignalsError

DAY = date(2024, 6, 10)
START = DAY - timedelta(days=10)
NOW = datetime(2024, 6, 11, 12, 30, tzinfo=UTC)


class DataService:
    """A stand-in for the data API: pages of bars, or one fixed answer; keeps what was asked."""

    def __init__(self):
        self.asked = []
        self.answer = None
        self.page_size = 10_000
        self.series = {"raw": {}, "all": {}}
        self.hold = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                service.asked.append((url.path, query, dict(self.headers)))
                status, body = service.reply(query)
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def reply(self, query):
        if self.answer is not None:
            return self.answer
        wanted = query["symbols"].split(",")
        rows = [
            (symbol, bar)
            for symbol in wanted
            for bar in self.series[query["adjustment"]].get(symbol, [])
            if query["start"] <= bar["t"] <= query["end"]
        ]
        at = int(query.get("page_token", 0))
        page = {}
        for symbol, bar in rows[at : at + self.page_size]:
            page.setdefault(symbol, []).append(bar)
        after = at + self.page_size
        token = str(after) if after < len(rows) else None
        return 200, json.dumps({"bars": page, "next_page_token": token}).encode()

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


@pytest.fixture
def service():
    service = DataService()
    yield service
    service.close()


def a_bar(day, close, volume=1000):
    stamp = f"2024-06-{day:02}T04:00:00Z"
    return {"t": stamp, "o": close, "h": close, "l": close, "c": close, "v": volume, "n": 1}


def nvda(service):
    """10:1 on 2024-06-10, as the API tells it."""
    service.series["raw"]["NVDA"] = [a_bar(6, 1209.98), a_bar(7, 1208.88), a_bar(10, 121.79, 10000)]
    service.series["all"]["NVDA"] = [
        a_bar(6, 121.0, 10000),
        a_bar(7, 120.89, 10000),
        a_bar(10, 121.79, 10000),
    ]


def fetch(service, symbols=("NVDA",), *, end=DAY, now=NOW, **access):
    keys = {"key_id": "key", "secret": "s3cret", "retry_wait_s": 0} | access
    return fetch_bars(DataAccess(url=service.url, **keys), symbols, START, end, now)


def test_as_traded_comes_from_raw_bars_and_total_return_from_adjusted_ones(service):
    nvda(service)
    bars = fetch(service)
    assert bars.close_traded[:, 0].tolist() == [1209.98, 1208.88, 121.79]
    assert bars.close_total[:, 0].tolist() == [121.0, 120.89, 121.79]
    assert bars.value[1, 0] == pytest.approx(1208880)
    assert bars.volume[:, 0].tolist() == [10000] * 3
    assert bars.action[:, 0].tolist() == [False, False, True]


def test_the_request_names_feed_adjustment_and_keys(service):
    nvda(service)
    fetch(service, feed="iex")
    assert {query["adjustment"] for _, query, _ in service.asked} == {"raw", "all"}
    path, query, headers = service.asked[0]
    assert path == "/v2/stocks/bars"
    assert (query["feed"], query["timeframe"]) == ("iex", "1Day")
    assert (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) == ("key", "s3cret")


def test_nothing_younger_than_sixteen_minutes_is_asked_for(service):
    nvda(service)
    just_closed = datetime(2024, 6, 10, 20, 20, tzinfo=UTC)
    fetch(service, now=just_closed)
    assert service.asked[0][1]["end"].startswith("2024-06-10T20:04:00")


@pytest.mark.parametrize(
    ("end", "now", "words"),
    [
        (DAY, datetime(2024, 6, 10, 4, 10, tzinfo=UTC), "is not over since 16 min"),
        (DAY, datetime(2024, 6, 10, 20, 15, 59, tzinfo=UTC), "is not over since 16 min"),
        (date(2024, 7, 3), datetime(2024, 7, 3, 17, 15, tzinfo=UTC), "is not over since 16 min"),
        (date(2024, 6, 9), NOW, "is no session"),
    ],
)
def test_a_half_formed_bar_is_never_asked_for(service, end, now, words):
    with pytest.raises(SignalsError, match=words):
        fetch(service, end=end, now=now)
    assert service.asked == []


def test_a_page_that_ends_within_a_symbol_loses_no_bar(service):
    nvda(service)
    for adjustment in ("raw", "all"):
        service.series[adjustment]["SPY"] = [a_bar(7, 534.01), a_bar(10, 535.66)]
    service.page_size = 2
    bars = fetch(service, ("NVDA", "SPY"))
    assert bars.present.sum(axis=0).tolist() == [3, 2]
    assert len(service.asked) == 6


def test_many_symbols_are_asked_in_chunks_that_fit_a_page(service):
    nvda(service)
    symbols = ["NVDA", *(f"S{n}" for n in range(700))]
    fetch(service, symbols)
    assert len(service.asked) == 4
    assert all(len(query["symbols"].split(",")) <= 10_000 // 10 for _, query, _ in service.asked)


def test_a_symbol_that_the_api_leaves_out_has_an_empty_column(service):
    nvda(service)
    bars = fetch(service, ("GONE", "NVDA"))
    assert bars.symbols == ("GONE", "NVDA")
    assert not bars.present[:, 0].any()


def test_a_symbol_that_the_api_calls_invalid_costs_only_itself(service):
    nvda(service)
    good = service.reply
    refusal = (400, b'{"message":"invalid symbol: BTCUSD"}')
    service.reply = lambda query: refusal if "BTCUSD" in query["symbols"] else good(query)
    bars = fetch(service, ("BTCUSD", "NVDA"))
    assert bars.present.any(axis=0).tolist() == [False, True]
    assert len(service.asked) == 3


def test_only_invalid_symbols_leave_no_bars(service):
    service.answer = (400, b'{"message":"invalid symbol: BTCUSD"}')
    with pytest.raises(SignalsError, match="none on 2024-06-10 of any symbol"):
        fetch(service, ("BTCUSD",))


def test_a_day_with_only_one_of_both_series_is_no_number(service):
    nvda(service)
    service.series["all"]["NVDA"].pop()
    bars = fetch(service)
    assert bars.present[-1, 0]
    assert bars.close_total[-1, 0] != bars.close_total[-1, 0]


@pytest.mark.parametrize(
    ("answer", "kind", "words"),
    [
        (
            (403, b'{"message":"subscription does not permit querying recent SIP data"}'),
            "config",
            'does not permit the feed sip (.*): set data.bars_feed = "iex"',
        ),
        ((401, b"unauthorized"), "config", "refused the keys .401"),
        ((403, b'{"message":"forbidden."}'), "config", "refused the keys .403"),
        ((429, b'{"message":"too many requests."}'), "data", "rate limit"),
        ((400, b'{"message":"invalid symbol: X Y"}'), "data", "invalid symbol: X Y"),
        ((500, b"<html>\n\noops</html>"), "data", "500: <html> oops"),
        ((200, b"<html>"), "data", "cannot be read"),
        ((200, b""), "data", "no list of bars"),
        ((200, b"[]"), "data", "no list of bars"),
        ((200, b'{"odd": 1}'), "data", "no list of bars"),
        ((200, b'{"bars": {"NVDA": [{"t": "x"}]}}'), "data", "cannot be read"),
        ((200, b'{"bars": {"NVDA": [7]}}'), "data", "cannot be read"),
        ((200, b'{"bars": {}, "next_page_token": null}'), "data", "none on 2024-06-10"),
    ],
)
def test_a_bad_answer_is_one_line(service, answer, kind, words):
    service.answer = answer
    with pytest.raises(SignalsError, match=words) as caught:
        fetch(service)
    assert caught.value.kind is FailureKind(kind)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_a_hanging_service_ends_at_the_time_limit(service):
    service.reply = lambda query: (service.hold.wait(20), (200, b"{}"))[1]
    with pytest.raises(SignalsError, match=r"cannot be read: .*timed out"):
        fetch(service, request_timeout_s=0.2)


def test_the_deadline_covers_all_requests_together(service):
    service.reply = lambda query: (service.hold.wait(20), (200, b"{}"))[1]
    with pytest.raises(SignalsError, match=r"took longer than 0\.1 s"):
        fetch(service, request_timeout_s=0.5, deadline_s=0.1)


def test_nobody_listening_is_one_line():
    access = DataAccess("key", "s3cret", "http://127.0.0.1:9", request_timeout_s=1)
    with pytest.raises(SignalsError, match=r"127\.0\.0\.1:9 cannot be read"):
        fetch_bars(access, ["SPY"], START, DAY, NOW)


@pytest.mark.parametrize(
    ("access", "words"),
    [({"key_id": ""}, "keys are missing"), ({"feed": "tape"}, "data.bars_feed: 'tape'")],
)
def test_missing_keys_and_unknown_feeds_are_refused_unasked(service, access, words):
    with pytest.raises(SignalsError, match=words) as caught:
        fetch(service, **access)
    assert caught.value.kind is FailureKind.CONFIG
    assert service.asked == []
