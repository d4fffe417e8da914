"""Every answer that a walk has brought, held against Alpaca's published OpenAPI documents."""

import json
import re

import pytest

from tests.conformance import deviations
from tests.conformance.report import SERVED, operation_name
from tests.conformance.tap import Message, Talk
from tests.conformance.walks import PLAIN


def test_every_answer_is_as_documented_or_listed_with_a_reason(found) -> None:
    assert deviations.unlisted(found) == []


def test_every_listed_deviation_still_occurs(found) -> None:
    assert deviations.obsolete(found) == []


@pytest.mark.parametrize("name", SERVED)
def test_every_endpoint_served_was_asked_and_refused(walks, documents, name) -> None:
    statuses = {
        talk.status for talk in walks[PLAIN].talks if operation_name(documents, talk) == name
    }
    assert [s for s in statuses if s < 400], "no success"
    assert [s for s in statuses if 400 <= s < 500] or name in NEVER_REFUSED, "no refusal"


NEVER_REFUSED = (
    "DELETE /v2/orders",
    "DELETE /v2/positions",
    "GET /v2/account/configurations",
    "GET /v2/account/activities/{activity_type}",
    "GET /v2/assets",
    "GET /v2/positions",
    "GET /v2/stocks/bars/latest",
    "GET /v2/stocks/quotes/latest",
    "GET /v2/stocks/trades/latest",
    "GET /v2/stocks/{symbol}/bars",
    "GET /v1/corporate-actions",
    "GET /v2beta1/events/activities",
)
"""Asked rightly they have nothing to refuse but the key, which others show."""


def test_nothing_of_alpacas_is_served_that_was_not_walked(walks) -> None:
    def nameless(names) -> set[str]:
        return {re.sub(r"\{\w+\}", "{}", name) for name in names}

    api = {route for route in walks[PLAIN].routes if re.match(r"(?!HEAD)\w+ /v\d", route)}
    assert nameless(api) == nameless(SERVED)


def test_the_order_in_a_trade_update_is_an_order_as_documented(walks, documents) -> None:
    events = [frame["data"] for frame in walks[PLAIN].frames if frame["stream"] == "trade_updates"]
    assert {event["event"] for event in events} >= {"new", "fill", "partial_fill", "canceled"}
    for event in events:
        lines = documents.about("trading-api.json", "/components/schemas/Order", event["order"])
        assert set(lines) <= {f"$.{key} is not in the schema" for key in ("source", "subtag")}
        executes = {"execution_id", "position_qty", "price", "qty"}
        own = {"new": {"execution_id"}, "fill": executes, "partial_fill": executes}
        more = own.get(event["event"], set())
        assert set(event) - {"at", "event_id"} == {"event", "order", "timestamp"} | more


DETAILS = {
    "TRD": "ActivityV2DetailTRD",
    "CSW": "CSWActivityV2",
    "CDIV": "CDIVActivityV2",
    "FSPLIT": "ForwardSplitActivityV2",
    "RSPLIT": "ReverseSplitActivityV2",
}
"""What the details of an activity are, by its sub-type or type."""


@pytest.mark.parametrize("kind", DETAILS)
def test_the_details_of_an_activity_are_those_of_its_kind(walks, documents, kind) -> None:
    path = "/v2beta1/events/activities"
    told = [line for talk in walks[PLAIN].talks if talk.path == path for line in talk.told]
    details = [
        line["details"]
        for line in told
        if kind in (line.get("activity_subtype"), line["activity_type"])
    ]
    assert details
    for each in details:
        lines = documents.about("trading-api.json", f"/components/schemas/{DETAILS[kind]}", each)
        assert [line for line in lines if not line.endswith("is not in the schema")] == []


# The comparison itself: it sees what is wrong.

ACCOUNT = {"id": "904837e3-3b76-47ec-b432-046db621571b", "status": "ACTIVE", "cash": "1"}


@pytest.mark.parametrize(
    ("status", "kind", "told", "line"),
    [
        (200, "application/json", ACCOUNT, None),
        (200, "application/json", ACCOUNT | {"cash": 1}, "200: $.cash is no string"),
        (200, "application/json", ACCOUNT | {"gold": "1"}, "200: $.gold is not in the schema"),
        (200, "application/json", {"id": ACCOUNT["id"]}, "200: $ 'status' is a required property"),
        (200, "application/json", ACCOUNT | {"id": "x"}, "200: $.id is no format uuid"),
        (201, "application/json", ACCOUNT, "201: this status is not documented"),
        (200, "text/html", ACCOUNT, "200: text/html"),
        (403, "application/json", {"message": "forbidden."}, None),
        (403, "application/json", {"error": "no"}, "403: $ 'message' is a required property"),
    ],
)
def test_an_answer_that_is_not_as_documented_is_seen(documents, status, kind, told, line) -> None:
    answer = Message(f"HTTP/1.1 {status} X", {"content-type": kind, "x-request-id": "1"})
    answer.body = json.dumps(told).encode()
    talk = Talk(Message("GET /v2/account HTTP/1.1", {}), answer)
    expected = [] if line is None else [f"GET /v2/account {line}"]
    assert list(documents.deviations(talk)) == expected


def test_a_listed_deviation_covers_its_own_lines_only() -> None:
    assert deviations.unlisted(["POST /v2/orders 200: $.subtag is not in the schema"]) == []
    strange = ["POST /v2/orders 200: $.gold is not in the schema"]
    assert deviations.unlisted(strange) == strange
    assert len(deviations.obsolete([])) == len(deviations.LISTED)
