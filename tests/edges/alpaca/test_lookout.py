"""A host that leaves questions unanswered is told of once, once an hour, and when it is back."""

import logging
from datetime import UTC, datetime, timedelta

import pytest

from atlas_daemon.edges.alpaca.faults import (
    Accepted,
    NoVerdict,
    RateLimited,
    RefusalKind,
    Refused,
    Unknown,
    Verdict,
)
from atlas_daemon.edges.alpaca.lookout import Lookout, length

BEGIN = datetime(2027, 1, 29, 13, 0, tzinfo=UTC)
HOST = "broker.test"
ACCOUNT, ORDERS, CLOCK = (f"https://{HOST}/v2/{name}" for name in ("account", "orders", "clock"))
ORDER, OUR_ORDER = f"{ORDERS}/904837e3", f"{ORDERS}:by_client_order_id"
DARK, ANSWER = Unknown("no route"), Accepted(200)
NOT_FOUND = Refused(404, 40410000, "not found", RefusalKind.NOT_FOUND)
ODD = Refused(400, 40010001, "odd", RefusalKind.PARAMETER)


class Told:
    """A lookout, the time it is, and what it told."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG, "lookout")
        self._caplog = caplog
        self.at = BEGIN
        self.lookout = Lookout(logging.getLogger("lookout"), lambda: self.at)

    def hear(self, url: str, verdict: Verdict, *, after_s: float = 0.0) -> None:
        self.at += timedelta(seconds=after_s)
        self.lookout.hears(url, verdict, "why")

    @property
    def lines(self) -> list[str]:
        return [f"{r.levelname} {r.getMessage()}" for r in self._caplog.records]


@pytest.fixture
def told(caplog: pytest.LogCaptureFixture) -> Told:
    return Told(caplog)


def test_three_dark_days_are_told_once_once_an_hour_and_when_they_are_over(told: Told) -> None:
    for _ in range(3 * 24 * 60):
        told.hear(ACCOUNT, DARK, after_s=30)
        told.hear(CLOCK, DARK, after_s=30)
    told.hear(CLOCK, ANSWER, after_s=30)
    told.hear(ACCOUNT, ANSWER)
    assert told.lines[0] == f"ERROR GET {ACCOUNT} failed: why"
    assert told.lines[1] == (
        f"ERROR {HOST} leaves questions unanswered since 2027-01-29 08:00:30 New York (1 h): "
        f"121 requests failed; last, GET {ACCOUNT}: why"
    )
    assert told.lines[-1] == f"ERROR {HOST} is back after 3 d: 8,640 requests failed"
    assert len(told.lines) == 1 + 71 + 1


def test_it_is_over_when_each_question_that_failed_is_answered(told: Told) -> None:
    for url in (ACCOUNT, CLOCK):
        told.hear(url, DARK)
    told.hear(CLOCK, ANSWER, after_s=10)
    told.hear(ORDERS, ANSWER, after_s=10)
    assert len(told.lines) == 1, "the account is still in the dark"
    told.hear(ACCOUNT, ANSWER, after_s=10)
    assert told.lines[1:] == [f"ERROR {HOST} is back after 10 s: 2 requests failed"]


def test_a_question_that_nobody_asks_again_keeps_nothing_open(told: Told) -> None:
    told.hear(f"https://{HOST}/v2/assets/XOM", DARK)
    told.hear(CLOCK, ANSWER, after_s=60)
    told.hear(CLOCK, ANSWER, after_s=241)
    assert told.lines[1:] == [f"ERROR {HOST} is back after 1 min: 1 request failed"]
    told.hear(ACCOUNT, DARK, after_s=86_400)
    assert told.lines[2:] == [f"ERROR GET {ACCOUNT} failed: why"], "an outage of its own"


def test_an_answer_between_two_failures_is_no_end_of_it(told: Told) -> None:
    for _ in range(50):
        told.hear(ACCOUNT, DARK, after_s=20)
        told.hear(CLOCK, ANSWER, after_s=20)
    assert len(told.lines) == 1


@pytest.mark.parametrize("url", [ORDER, OUR_ORDER])
def test_each_failed_look_up_of_an_order_is_told(told: Told, url: str) -> None:
    told.hear(ACCOUNT, DARK)
    for _ in range(3):
        told.hear(url, DARK)
        told.lookout.retries(url, DARK, 1.0, "why")
    assert (
        told.lines[1:]
        == [
            f"ERROR GET {url} failed: why",
            f"WARNING Retrying GET {url} in 1.0 s: why",
        ]
        * 3
    )


def test_a_new_kind_of_failure_is_told_at_once_and_only_once(told: Told) -> None:
    limited, keys = RateLimited(1.0), NoVerdict(401, "no")
    for verdict in (limited, DARK, limited, keys, ODD, keys, DARK, ODD):
        told.hear(ACCOUNT, verdict, after_s=1)
    told.hear(CLOCK, ODD, after_s=1)
    assert [line.split()[0] for line in told.lines] == ["WARNING"] + ["ERROR"] * 4
    assert told.lines[-1] == f"ERROR GET {CLOCK} failed: why", "a refusal is about its question"


def test_a_rate_limit_begins_and_ends_as_a_warning(told: Told) -> None:
    told.hear(ACCOUNT, RateLimited(1.0))
    told.hear(ACCOUNT, ANSWER, after_s=1)
    assert [line.split()[0] for line in told.lines] == ["WARNING", "WARNING"]


def test_each_host_is_told_of_by_itself(told: Told) -> None:
    bars = "https://data.test/v2/stocks/quotes/latest"
    told.hear(ACCOUNT, DARK)
    told.hear(bars, DARK)
    told.hear(bars, ANSWER, after_s=1)
    assert told.lines[1:] == [
        f"ERROR GET {bars} failed: why",
        "ERROR data.test is back after 1 s: 1 request failed",
    ]


def test_not_found_is_an_answer(told: Told) -> None:
    told.hear(ACCOUNT, NOT_FOUND)
    assert told.lines == []
    told.hear(ACCOUNT, DARK)
    told.hear(ACCOUNT, NOT_FOUND, after_s=1)
    assert told.lines[-1] == f"ERROR {HOST} is back after 1 s: 1 request failed"


def test_a_retry_is_told_until_its_host_is_known_to_fail(told: Told) -> None:
    told.lookout.retries(ACCOUNT, DARK, 1.0, "why")
    told.hear(ACCOUNT, DARK)
    told.lookout.retries(ACCOUNT, DARK, 1.0, "why")
    told.lookout.retries(CLOCK, RateLimited(1.0), 1.0, "a reason of its own")
    assert told.lines == [
        f"WARNING Retrying GET {ACCOUNT} in 1.0 s: why",
        f"ERROR GET {ACCOUNT} failed: why",
        f"WARNING Retrying GET {CLOCK} in 1.0 s: a reason of its own",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0.4, "0 s"),
        (7, "7 s"),
        (60, "1 min"),
        (250, "4 min 10 s"),
        (3600, "1 h"),
        (3605, "1 h"),
        (11_520, "3 h 12 min"),
        (183_600, "2 d 3 h"),
        (864_059, "10 d"),
    ],
)
def test_a_span_is_written_by_its_two_largest_units(seconds: float, text: str) -> None:
    assert length(timedelta(seconds=seconds)) == text
