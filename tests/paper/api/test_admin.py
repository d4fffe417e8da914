"""The fault console's door: what is armed, what it did, what is wrong with a request."""

import pytest

from atlas_daemon.paper.faults import scenario
from atlas_daemon.paper.faults.fault_kinds import KINDS
from tests.paper.sockets import running
from tests.paper.world import NOON

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({}, "kind"),
        ({"kind": "gremlin"}, "kind"),
        ({"kind": "hang", "secs": 1}, "secs"),
        ({"kind": "delay"}, "seconds"),
        ({"kind": "delay", "seconds": "1"}, "seconds"),
        ({"kind": "http_429", "seconds": 1}, "seconds"),
    ],
)
async def test_a_mistake_is_answered_422_and_names_its_key(body, key):
    async with running() as client:
        status, answer = await client.ask("POST", "/_admin/faults", json=body)
        assert (status, answer["key"]) == (422, key)
        assert answer["message"].startswith(f"{key}: ")
        assert (await client.get("/_admin/faults"))["armed"] == []


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"kind": "halted_symbol", "symbol": "NOPE"}, "symbol: NOPE is not known"),
        ({"kind": "halted_symbol", "symbol": "ordered"}, "symbol: no order is waited for"),
        ({"kind": "rename", "symbol": "SPY", "to_symbol": "CHEAP"}, "to_symbol: must be new"),
        ({"kind": "trade_bust"}, "symbol: no execution can be taken back"),
        ({"kind": "dividend", "symbol": "CHEAP", "per_share": 1}, "symbol: CHEAP is not held"),
        ({"kind": "fee", "amount": 1, "key": "NOBODY"}, "account not found"),
    ],
)
async def test_what_cannot_happen_is_refused_and_not_armed(body, message):
    async with running() as client:
        status, answer = await client.ask("POST", "/_admin/faults", json=body)
        assert status in (404, 422)
        assert answer["message"].startswith(message)
        listed = await client.get("/_admin/faults")
        assert listed["armed"] == listed["spent"] == []


@pytest.mark.parametrize("body", [b"[]", b"3", b"{"])
async def test_a_body_that_is_no_object_is_malformed(body):
    async with running() as client:
        assert (await client.ask("POST", "/_admin/faults", data=body))[0] == 400


async def test_what_is_armed_is_listed_with_how_often_it_fired():
    async with running() as client:
        fault = {"kind": "http_503", "method": "GET", "path": "/v2/clock", "count": 2}
        armed = (await client.ask("POST", "/_admin/faults", json=fault))[1]
        assert armed == {
            **fault,
            "number": 1,
            "armed_at": "2024-02-01T17:00:00Z",
            "fired": 0,
            "left": 2,
            "is_on": False,
            "note": "",
        }
        await client.ask("GET", "/v2/clock")
        listed = await client.get("/_admin/faults")
        assert [(x["fired"], x["left"]) for x in listed["armed"]] == [(1, 1)]
        await client.ask("GET", "/v2/clock")
        listed = await client.get("/_admin/faults")
        assert listed["armed"] == []
        assert [(x["kind"], x["fired"]) for x in listed["spent"]] == [("http_503", 2)]
        assert {kind["kind"] for kind in listed["kinds"]} == set(KINDS)
        assert (await client.get("/_admin/state"))["faults"] == []


async def test_faults_are_taken_off_one_by_one_by_kind_or_all():
    async with running() as client:
        for kind in ("http_500", "http_502", "http_502", "mute_stream", "hang"):
            await client.ask("POST", "/_admin/faults", json={"kind": kind})

        async def take_off(path: str) -> tuple[int, list[str]]:
            status, _ = await client.ask("DELETE", f"/_admin/faults{path}")
            listed = await client.get("/_admin/faults")
            return status, [fault["kind"] for fault in listed["armed"]]

        assert await take_off("/1") == (200, ["http_502", "http_502", "mute_stream", "hang"])
        assert (await take_off("/1"))[0] == (await take_off("/x"))[0] == 404
        assert await take_off("?kind=http_502") == (200, ["mute_stream", "hang"])
        assert (await take_off("?kind=gremlin"))[0] == 422
        assert await take_off("") == (200, [])


async def test_a_scenario_is_begun_by_name_and_shown_with_the_steps_it_has_taken():
    async with running() as client:
        assert (await client.get("/_admin/state"))["scenario"] is None
        status, answer = await client.ask("POST", "/_admin/scenario", json={"name": "nope"})
        assert (status, answer["key"]) == (422, "name")
        await client.ask("POST", "/_admin/scenario", json={"name": "suspended-account"})
        await client.order()
        shown = (await client.get("/_admin/state"))["scenario"]
        assert shown["name"] == "suspended-account"
        taken, waits = shown["steps"]
        assert taken == {
            "when": "order 1 accepted",
            "what": "suspend_trade",
            "due_at": "2024-02-01T17:00:00Z",
            "taken_at": "2024-02-01T17:00:00Z",
            "outcome": "suspend_trade is on",
        }
        assert (waits["due_at"], waits["taken_at"]) == ("2024-02-01T17:10:00Z", None)
        await client.wait(600)
        assert (await client.get("/v2/account"))["trade_suspended_by_user"] is False


async def test_a_scenario_given_at_the_start_runs_from_the_start():
    story = scenario.load("html-errors")
    async with running(scenario=story, starts_at=NOON) as client:
        status, body = await client.ask("POST", "/v2/orders", json={})
        assert (status, "<html>" in body) == (200, True)


async def test_another_scenario_takes_the_first_ones_place():
    async with running(scenario=scenario.load("mute-stream")) as client:
        await client.ask("POST", "/_admin/scenario", json={"name": "partial-fills"})
        listed = await client.get("/_admin/faults")
        assert [fault["kind"] for fault in listed["armed"]] == ["partial_fill"]
