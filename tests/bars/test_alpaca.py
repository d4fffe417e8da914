from datetime import UTC, date, datetime, timedelta

import pytest

from atlas_daemon.bars import wire
from atlas_daemon.bars.access import DataAccess
from atlas_daemon.bars.actions import Action
from atlas_daemon.bars.alpaca import AlpacaVendor
from atlas_daemon.bars.frame import day_number
from atlas_daemon.core.brain import FailureKind, SignalsError
from tests.bars.vendors import DataService

DAY = date(2024, 6, 10)
START = DAY - timedelta(days=10)
NOW = datetime(2024, 6, 11, 12, 30, tzinfo=UTC)
NVDA = [(6, 1209.98, 1000), (7, 1208.88, 1000), (10, 121.79, 10000)]
"""10:1 on 2024-06-10, as it traded."""


@pytest.fixture
def service():
    service = DataService()
    service.series["NVDA"] = [a_bar(*words) for words in NVDA]
    yield service
    service.close()


def a_bar(day, close, volume=1000):
    stamp = f"2024-06-{day:02}T04:00:00Z"
    return {"t": stamp, "o": close, "h": close + 1, "l": close - 1, "c": close, "v": volume}


def a_vendor(service, *, now=NOW, **access):
    keys = {"key_id": "key", "secret": "s3cret", "retry_wait_s": 0} | access
    return AlpacaVendor(DataAccess(url=service.url, **keys), now)


def fetch(service, symbols=("NVDA",), *, end=DAY, **access):
    vendor = a_vendor(service, **access)
    try:
        return vendor.bars(symbols, START, end)
    finally:
        vendor.close()


def actions_of(service, symbols=("NVDA",), **access):
    vendor = a_vendor(service, **access)
    try:
        return vendor.actions(symbols, START, DAY)
    finally:
        vendor.close()


def closes(bars, symbol):
    return bars.close[bars.of([symbol])].tolist()


def test_bars_are_raw_and_on_new_yorks_days(service):
    bars = fetch(service)
    assert closes(bars, "NVDA") == [1209.98, 1208.88, 121.79]
    assert bars.high.tolist() == [1210.98, 1209.88, 122.79]
    assert bars.volume.tolist() == [1000, 1000, 10000]
    assert bars.day.tolist() == [day_number(date(2024, 6, day)) for day in (6, 7, 10)]


def test_the_request_names_feed_adjustment_and_keys(service):
    fetch(service, feed="iex")
    ((path, query, headers),) = service.asked
    assert path == "/v2/stocks/bars"
    assert (query["feed"], query["timeframe"], query["adjustment"]) == ("iex", "1Day", "raw")
    assert (headers["APCA-API-KEY-ID"], headers["APCA-API-SECRET-KEY"]) == ("key", "s3cret")


def test_nothing_younger_than_sixteen_minutes_is_asked_for(service):
    fetch(service, now=datetime(2024, 6, 10, 20, 20, tzinfo=UTC))
    assert service.asked[0][1]["end"] == "2024-06-10T20:04:00Z"


@pytest.mark.parametrize(
    ("end", "now"),
    [
        (DAY, datetime(2024, 6, 10, 4, 10, tzinfo=UTC)),
        (DAY, datetime(2024, 6, 10, 20, 15, 59, tzinfo=UTC)),
        (date(2024, 7, 3), datetime(2024, 7, 3, 17, 15, tzinfo=UTC)),
    ],
)
def test_a_half_formed_bar_is_never_asked_for(service, end, now):
    with pytest.raises(SignalsError, match="is not over since 16 min"):
        fetch(service, end=end, now=now)
    assert service.asked == []


def test_a_page_that_ends_within_a_symbol_loses_no_bar(service):
    service.series["SPY"] = [a_bar(7, 534.01), a_bar(10, 535.66)]
    service.page_size = 2
    bars = fetch(service, ("NVDA", "SPY"))
    assert (len(closes(bars, "NVDA")), closes(bars, "SPY")) == (3, [534.01, 535.66])
    assert [query.get("page_token") for _, query, _ in service.asked] == [None, "2", "4"]


def test_a_page_that_is_its_own_next_ends(service):
    service.answers = [(200, b'{"bars": {}, "next_page_token": "x"}')]
    with pytest.raises(SignalsError, match="the same page again"):
        fetch(service)


def test_many_symbols_are_asked_in_addresses_of_bounded_length(service):
    fetch(service, ["NVDA", *(f"S{n}" for n in range(700))])
    assert [len(query["symbols"].split(",")) for _, query, _ in service.asked] == [500, 201]


def test_a_symbol_that_the_api_leaves_out_or_adds_changes_nothing(service):
    good = service.reply
    extra = (200, b'{"bars": {"ELSE": [{"odd": 1}]}, "next_page_token": null}')
    assert len(fetch(service, ("GONE", "NVDA"))) == 3
    service.reply = lambda *words: extra
    assert len(fetch(service)) == 0
    service.reply = good


def test_a_symbol_that_the_api_calls_invalid_costs_only_itself(service):
    good = service.reply
    refusal = (400, b'{"message":"invalid symbol: BTCUSD"}')
    service.reply = lambda p, query: refusal if "BTCUSD" in query["symbols"] else good(p, query)
    assert len(fetch(service, ("BTCUSD", "NVDA"))) == 3
    assert len(service.asked) == 2
    assert len(fetch(service, ("BTCUSD",))) == 0


SPLIT = {
    "id": "1",
    "symbol": "NVDA",
    "cusip": "x",
    "new_rate": 10,
    "old_rate": 1,
    "process_date": "2024-06-10",
    "ex_date": "2024-06-10",
}
DIVIDEND = {
    "id": "2",
    "symbol": "NVDA",
    "rate": 0.04,
    "process_date": "2024-06-28",
    "ex_date": "2024-06-11",
    "payable_date": "2024-06-28",
}


def test_corporate_actions_are_read_page_by_page(service):
    service.actions = {"forward_splits": [SPLIT], "cash_dividends": [DIVIDEND]}
    service.page_size = 1
    assert actions_of(service) == [
        Action("NVDA", "forward_split", DAY, DAY, ratio=10.0),
        Action("NVDA", "cash_dividend", date(2024, 6, 11), date(2024, 6, 28), cash=0.04),
    ]
    path, query, _ = service.asked[1]
    assert path == "/v1/corporate-actions"
    assert (query["start"], query["end"], query["page_token"]) == (str(START), str(DAY), "1")


def one_page(stamp, close):
    bar = b'{"t": "%s", "o": 1, "h": 1, "l": 1, "c": %s, "v": 1}' % (stamp, close)
    return b'{"bars": {"NVDA": [%s]}, "next_page_token": null}' % bar


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
        ((302, b""), "data", "no list of bars"),
        ((200, b"<html>"), "data", "cannot be read"),
        ((200, b""), "data", "no list of bars"),
        ((200, b"[]"), "data", "no list of bars"),
        ((200, b'{"odd": 1}'), "data", "no list of bars"),
        ((200, b'{"bars": {}}'), "data", "no list of bars"),
        ((200, b'{"bars": {"NVDA": 7}, "next_page_token": null}'), "data", "no list of bars"),
        ((200, b'{"bars": {"NVDA": [{"t": "x"}]}, "next_page_token": null}'), "data", "a bar that"),
        ((200, b'{"bars": {"NVDA": [7]}, "next_page_token": null}'), "data", "a bar that"),
        ((200, one_page(b"0001-01-01T00:00:00Z", b"1")), "data", "a bar that"),
        ((200, one_page(b"2024-06-06T04:00:00Z", b"9" * 400)), "data", "a bar that"),
    ],
)
def test_a_bad_answer_is_one_line(service, answer, kind, words):
    service.answers = [answer]
    with pytest.raises(SignalsError, match=words) as caught:
        fetch(service)
    assert caught.value.kind is FailureKind(kind)
    assert "\n" not in str(caught.value)
    assert "s3cret" not in str(caught.value)


def test_moments_without_a_zone_are_refused(service):
    service.series["NVDA"][0]["t"] = "2024-06-06T04:00:00"
    with pytest.raises(SignalsError, match="has no time zone"):
        fetch(service)


@pytest.mark.parametrize(
    "answer", [b'{"corporate_actions": {"forward_splits": [{}]}, "next_page_token": null}', b"7"]
)
def test_bad_actions_are_one_line(service, answer):
    service.answers = [(200, answer)]
    with pytest.raises(SignalsError, match="corporate action"):
        actions_of(service)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_busy_service_is_asked_again(service, status):
    good = service.reply("/v2/stocks/bars", {"symbols": "NVDA", "start": "2", "end": "3"})
    service.answers = [(status, b"busy"), (status, b"busy"), good]
    assert len(fetch(service)) == 3
    assert len(service.asked) == 3


def test_a_line_that_breaks_is_tried_again(service):
    good, breaks = service.reply, [True, True]

    def reply(*words):
        if breaks:
            breaks.pop()
            raise ConnectionAbortedError
        return good(*words)

    service.reply = reply
    assert len(fetch(service)) == 3
    assert len(service.asked) == 3


def test_a_service_that_stays_busy_is_given_up(service):
    service.answers = [(503, b"busy")]
    with pytest.raises(SignalsError, match="503: busy"):
        fetch(service)
    assert len(service.asked) == 4


def test_refusals_are_not_repeated(service):
    service.answers = [(403, b"forbidden")]
    with pytest.raises(SignalsError, match="refused the keys"):
        fetch(service)
    assert len(service.asked) == 1


def headers(**changes):
    told = {"Date": "Tue, 11 Jun 2024 12:30:00 GMT", "X-RateLimit-Reset": "1718109012"}
    return told | {name.replace("_", "-"): value for name, value in changes.items()}


@pytest.mark.parametrize(
    ("told", "wait_s"),
    [
        (headers(), 12),
        (headers(Retry_After="7"), 7),
        (headers(Retry_After="3600"), 60),
        (headers(Retry_After="soon"), 0),
        (headers(X_RateLimit_Reset="0"), 0),
        (headers(X_RateLimit_Reset="nan"), 0),
        (headers(Date="yesterday"), 0),
        (headers(Date="Mon, 01 Jan 99999999999999999999 00:00:00 GMT"), 0),
        ({}, 0),
    ],
)
def test_the_wait_is_told_on_the_services_own_clock(told, wait_s):
    assert wire.wait_told_s(told) == wait_s


def test_a_used_up_budget_is_waited_for_before_the_next_page(service, monkeypatch):
    page = b'{"bars": {}, "next_page_token": %s}'
    spent = (200, page % b'"2"', ("X-RateLimit-Remaining", "0"), ("Retry-After", "9"))
    service.answers = [spent, (200, page % b"null")]
    waits = []

    async def noted(seconds):
        waits.append(seconds)

    monkeypatch.setattr(wire.asyncio, "sleep", noted)
    fetch(service)
    assert waits[0] <= 0
    assert waits[1] == pytest.approx(9, abs=0.5)


def test_a_hanging_service_ends_at_the_time_limit(service):
    service.reply = lambda *words: (service.hold.wait(20), (200, b"{}"))[1]
    with pytest.raises(SignalsError, match=r"cannot be read: .*timed out"):
        fetch(service, request_timeout_s=0.1)


def test_the_deadline_covers_all_requests_together(service):
    service.reply = lambda *words: (service.hold.wait(20), (200, b"{}"))[1]
    with pytest.raises(SignalsError, match=r"took longer than 0\.1 s"):
        fetch(service, request_timeout_s=0.3, deadline_s=0.1)


def test_nobody_listening_is_one_line(service):
    vendor = AlpacaVendor(DataAccess("key", "s3cret", "http://127.0.0.1:9", retry_wait_s=0), NOW)
    with pytest.raises(SignalsError, match=r"127\.0\.0\.1:9 cannot be read"):
        vendor.bars(["SPY"], START, DAY)
    vendor.close()


@pytest.mark.parametrize(
    ("access", "words"),
    [({"key_id": ""}, "keys are missing"), ({"feed": "tape"}, "data.bars_feed: 'tape'")],
)
def test_missing_keys_and_unknown_feeds_are_refused_unasked(service, access, words):
    with pytest.raises(SignalsError, match=words) as caught:
        fetch(service, **access)
    assert caught.value.kind is FailureKind.CONFIG
    assert service.asked == []


def test_a_secret_is_not_shown_with_what_it_belongs_to():
    assert "s3cret" not in repr(DataAccess("key", "s3cret", "http://127.0.0.1:9"))
