"""Alerts to a webhook: a few tries, then the log; never a failure of the daemon's."""

import logging

import pytest

from atlas_daemon.edges.notify import TRIES_S, Webhook
from tests.edges.stub import HandClock, running_stub


@pytest.mark.asyncio
async def test_an_alert_is_posted_as_json_with_the_account():
    clock = HandClock()
    async with running_stub() as stub:
        stub.answer({})
        await Webhook(stub.url + "/hook", "[PAPER] LARGE", sleep=clock.sleep).send(
            "critical", "halt", "halted by ann"
        )
        (request,) = stub.requests
        assert str(request) == "POST /hook"
        assert request.headers["Content-Type"] == "application/json"
        assert request.json == {
            "account": "[PAPER] LARGE",
            "level": "critical",
            "about": "halt",
            "text": "halted by ann",
        }


@pytest.mark.asyncio
async def test_it_is_tried_again_and_then_delivered(caplog):
    clock = HandClock()
    async with running_stub() as stub:
        stub.answer({}, status=500).fail("reset").answer({})
        await Webhook(stub.url, "", sleep=clock.sleep).send("info", "run", "done")
        assert len(stub.requests) == 3
    assert clock.slept == list(TRIES_S)
    assert not caplog.records


@pytest.mark.asyncio
async def test_after_three_tries_it_is_dropped_and_logged_without_its_address(caplog):
    clock = HandClock()
    async with running_stub() as stub:
        for _ in TRIES_S:
            stub.answer({}, status=503)
        await Webhook(stub.url + "/secret-token", "", sleep=clock.sleep).send("info", "run", "x")
        assert len(stub.requests) == len(TRIES_S)
    (record,) = caplog.records
    assert (record.levelno, "HTTP 503" in record.getMessage()) == (logging.ERROR, True)
    assert "secret-token" not in record.getMessage()


@pytest.mark.asyncio
async def test_without_an_address_nothing_is_sent():
    clock = HandClock()
    await Webhook("", "", sleep=clock.sleep).send("info", "run", "done")
    assert clock.slept == []


@pytest.mark.asyncio
@pytest.mark.parametrize("url", ["http://a..b/", "http://[::1", "http://127.0.0.1:99999/"])
async def test_an_address_that_is_none_never_raises(url, caplog):
    await Webhook(url, "", sleep=HandClock().sleep).send("info", "run", "done")
    assert len(caplog.records) == 1
