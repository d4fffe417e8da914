import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.edges.alpaca.faults import (
    Accepted,
    BrokerRefusedError,
    NoVerdict,
    NoVerdictError,
    OutcomeUnknownError,
    RateLimited,
    RateLimitedError,
    RefusalKind,
    Refused,
    Unknown,
    classify,
    error_for,
    wait_of,
)

K = RefusalKind
REFUSALS = [
    (
        "POST",
        403,
        40310000,
        "insufficient buying power",
        {"buying_power": "1"},
        K.INSUFFICIENT_BUYING_POWER,
    ),
    (
        "POST",
        403,
        40310000,
        "insufficient qty available for order (requested: 5, available: 3)",
        {"available": "3", "existing_qty": "5", "held_for_orders": "2", "symbol": "SPY"},
        K.INSUFFICIENT_QTY,
    ),
    (
        "POST",
        403,
        40310000,
        "potential wash trade detected. use complex orders",
        {"existing_order_id": "x", "reject_reason": "opposite side market/stop order exists"},
        K.WASH_TRADE,
    ),
    ("POST", 422, 42210000, "potential wash trade detected. use complex orders", {}, K.WASH_TRADE),
    ("POST", 403, 40310000, "new orders are rejected by user request", {}, K.SUSPENDED_BY_USER),
    ("POST", 403, 40310000, 'asset "X" is not fractionable', {}, K.NOT_FRACTIONABLE),
    ("POST", 403, 40310000, "account is not allowed to short", {}, K.INSUFFICIENT_QTY),
    ("POST", 403, 40310000, "cost basis must be >= minimal amount of order 1", {}, K.OTHER),
    ("POST", 403, 40310000, "words nobody has seen", {}, K.OTHER),
    (
        "POST",
        403,
        40310000,
        "new words",
        {"existing_order_id": "x", "reject_reason": "y"},
        K.WASH_TRADE,
    ),
    ("POST", 403, 40310000, "new words", {"held_for_orders": "1"}, K.INSUFFICIENT_QTY),
    (
        "POST",
        403,
        40310000,
        "new words",
        {"buying_power": "1", "cost_basis": "2"},
        K.INSUFFICIENT_BUYING_POWER,
    ),
    ("POST", 403, 40310100, "trade denied due to pattern day trading protection", {}, K.OTHER),
    ("POST", 422, 40010001, "client_order_id must be unique", {}, K.DUPLICATE_CLIENT_ORDER_ID),
    ("POST", 409, 40010001, "client_order_id must be unique", {}, K.DUPLICATE_CLIENT_ORDER_ID),
    ("POST", 422, 40010001, "qty or notional is required", {}, K.PARAMETER),
    ("POST", 422, 40010001, "invalid time_in_force", {}, K.PARAMETER),
    ("POST", 422, 40010001, "limit orders require a limit price", {}, K.PARAMETER),
    ("DELETE", 422, 40010001, "order is not open", {}, K.NOT_CANCELABLE),
    ("DELETE", 422, 42210000, 'order is already in "filled" state', {}, K.NOT_CANCELABLE),
    ("DELETE", 422, 42210000, "new words", {}, K.NOT_CANCELABLE),
    ("DELETE", 422, 40010001, "new words", {}, K.OTHER),
    (
        "POST",
        422,
        42210000,
        "invalid limit_price 290.123. sub-penny increment does not fulfill minimum pricing "
        "criteria",
        {},
        K.PARAMETER,
    ),
    ("POST", 422, 42210000, "fractional orders must be DAY orders", {}, K.PARAMETER),
    ("POST", 422, 42210000, 'asset "RGC" is not tradable', {}, K.NOT_TRADABLE),
    ("POST", 422, 42210000, 'asset "TXN" cannot be sold short', {}, K.PARAMETER),
    ("POST", 422, 42210000, "notional must be >= 1.00", {}, K.PARAMETER),
    (
        "POST",
        422,
        42210000,
        "stop price must be less than current price",
        {"market_price": "1"},
        K.PARAMETER,
    ),
    ("POST", 422, 42210000, 'could not find asset "X"', {}, K.NOT_TRADABLE),
    ("POST", 404, 40410000, "asset not found for X", {}, K.NOT_TRADABLE),
    ("GET", 404, 40410000, "asset not found for X", {}, K.NOT_FOUND),
    ("GET", 404, 40410000, "position does not exist", {}, K.NOT_FOUND),
    ("GET", 404, 40410000, "order not found", {}, K.NOT_FOUND),
    ("GET", 404, 40410000, "endpoint not found.", {}, K.NOT_FOUND),
    ("POST", 400, 40010000, "both qty and notional", {}, K.PARAMETER),
    ("POST", 422, 49999999, "a new rule", {}, K.OTHER),
]


@pytest.mark.parametrize(
    ("method", "status", "code", "message", "extras", "kind"),
    REFUSALS,
    ids=[f"{row[0]}-{row[1]}-{row[3][:40]}-{row[5]}" for row in REFUSALS],
)
def test_s061_an_answer_with_a_known_code_is_a_refusal_of_its_kind(
    method: str, status: int, code: int, message: str, extras: dict[str, str], kind: RefusalKind
) -> None:
    body = json.dumps({"code": code, "message": message, **extras}).encode()
    verdict = classify(method, status, body)
    assert verdict == Refused(status, code, message, kind, extras)
    assert verdict.is_final is (status not in {409, 422})


def test_extras_that_are_not_text_are_kept_as_text() -> None:
    verdict = classify("POST", 403, b'{"code":"40310000","message":7,"related_orders":["a"]}')
    assert isinstance(verdict, Refused)
    assert (verdict.code, verdict.message) == (40310000, "7")
    assert verdict.extras == {"related_orders": "['a']"}


@pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 408, 425])
@pytest.mark.parametrize("body", [b"", b"<html>bad gateway</html>", b'{"code":50010000}', b"\xff"])
def test_any_5xx_is_unknown_whatever_its_body(status: int, body: bytes) -> None:
    verdict = classify("POST", status, body)
    assert isinstance(verdict, Unknown)
    assert verdict.is_transient
    assert verdict.may_have_arrived


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (302, b""),
        (301, b"<html>"),
        (404, b"<html>not found</html>"),
        (405, b""),
        (418, b"[]"),
        (404, b'{"message":"no code"}'),
        (100, b""),
    ],
)
def test_the_word_of_a_machine_in_between_proves_nothing(status: int, body: bytes) -> None:
    verdict = classify("POST", status, body)
    assert isinstance(verdict, Unknown)
    assert not verdict.is_transient


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (401, b'{"message":"unauthorized."}'),
        (401, b"<html>nginx</html>"),
        (401, b""),
        (401, b'{"code":40110000,"message":"request is not authorized"}'),
        (403, b'{"message":"forbidden."}'),
        (403, b""),
        (403, b'{"code":true}'),
    ],
)
def test_credentials_give_no_verdict_on_the_order(status: int, body: bytes) -> None:
    verdict = classify("POST", status, body)
    assert isinstance(verdict, NoVerdict)
    assert verdict.message


def test_400_and_422_without_a_code_are_refusals_still() -> None:
    bad = classify("POST", 400, b"<html>bad request</html>")
    odd = classify("POST", 422, b"")
    assert isinstance(bad, Refused)
    assert bad.kind is K.PARAMETER
    assert isinstance(odd, Refused)
    assert not odd.is_final


def test_2xx_is_accepted() -> None:
    assert classify("DELETE", 204) == Accepted(204)


def test_s064_a_failure_of_the_transport_is_unknown_and_says_its_name() -> None:
    reset = classify("POST", None, failure=ConnectionResetError("peer"))
    refused = classify("POST", None, failure=OSError("no route"), may_have_arrived=False)
    assert reset == Unknown("ConnectionResetError peer")
    assert refused == Unknown("OSError no route", may_have_arrived=False)
    assert classify("POST", None) == Unknown("NoAnswer no answer")


DATE = "Mon, 01 Feb 2027 14:35:00 GMT"
DATE_S = 1801492500


@pytest.mark.parametrize(
    ("headers", "wall_s", "wait_s"),
    [
        ({}, 1.0, None),
        ({"Retry-After": "7"}, None, 7.0),
        ({"Retry-After": "0.5"}, None, 0.5),
        ({"Retry-After": "soon"}, 1.0, None),
        ({"Retry-After": "-3"}, 1.0, None),
        ({"Retry-After": "Mon, 01 Feb 2027 14:35:09 GMT", "Date": DATE}, None, 9.0),
        ({"X-RateLimit-Reset": str(DATE_S + 12), "Date": DATE}, 5.0, 12.0),
        ({"X-RateLimit-Reset": str(DATE_S + 12)}, DATE_S, 12.0),
        ({"X-RateLimit-Reset": str(DATE_S - 12)}, DATE_S, 0.0),
        ({"X-RateLimit-Reset": str(DATE_S)}, None, None),
        ({"X-RateLimit-Reset": str(DATE_S - 100_000), "Date": DATE}, None, None),
        ({"X-RateLimit-Reset": str(DATE_S * 1000)}, DATE_S, None),
        ({"Retry-After": "3", "X-RateLimit-Reset": str(DATE_S + 12), "Date": DATE}, None, 3.0),
        ({"Date": "nonsense", "X-RateLimit-Reset": str(DATE_S + 1)}, DATE_S, 1.0),
    ],
)
def test_s121_the_wait_after_429_is_what_the_broker_says(
    headers: dict[str, str], wall_s: float | None, wait_s: float | None
) -> None:
    assert wait_of(headers, wall_s) == wait_s
    verdict = classify("POST", 429, b'{"message":"too many requests."}', headers, wall_s=wall_s)
    assert verdict == RateLimited(wait_s)


@pytest.mark.parametrize(
    ("verdict", "kind", "text"),
    [
        (
            Refused(403, 40310000, "no", K.OTHER),
            BrokerRefusedError,
            "POST x: refused (403/40310000): no",
        ),
        (Refused(400, None, "no", K.OTHER), BrokerRefusedError, "POST x: refused (400): no"),
        (Unknown("HTTP 504"), OutcomeUnknownError, "POST x: outcome unknown: HTTP 504"),
        (
            NoVerdict(401, "no."),
            NoVerdictError,
            "POST x: Alpaca refuses the credentials (HTTP 401 no.)",
        ),
        (RateLimited(2.0), RateLimitedError, "POST x: rate limited, wait 2.0 s"),
        (RateLimited(None), RateLimitedError, "POST x: rate limited"),
    ],
)
def test_each_verdict_has_an_error_of_one_line(verdict, kind, text) -> None:
    error = error_for("POST x", verdict)
    assert isinstance(error, AtlasError)
    assert type(error) is kind
    assert str(error) == text
    assert verdict in vars(error).values()


HEADERS = st.dictionaries(
    st.sampled_from(["Retry-After", "X-RateLimit-Reset", "Date"]),
    st.text(max_size=12) | st.integers().map(str) | st.sampled_from([DATE, "9" * 400, "1.2.3"]),
)


@given(
    st.sampled_from(["GET", "POST", "DELETE", "PATCH"]),
    st.integers(100, 599),
    st.binary(max_size=60) | st.sampled_from([b'{"code":' + b"9" * 400 + b"}", b'{"message":[]}']),
    HEADERS,
    st.none() | st.floats(0, 1e10),
)
def test_every_answer_has_a_verdict_and_only_2xx_is_accepted(
    method: str, status: int, body: bytes, headers: dict[str, str], wall_s: float | None
) -> None:
    verdict = classify(method, status, body, headers, wall_s=wall_s)
    assert isinstance(verdict, Accepted) is (200 <= status < 300)
    if status >= 500:
        assert isinstance(verdict, Unknown)
    if isinstance(verdict, RateLimited) and verdict.wait_s is not None:
        assert 0 <= verdict.wait_s <= 3600
