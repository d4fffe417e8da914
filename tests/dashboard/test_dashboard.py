"""The page over a real socket: what it shows, and what it refuses."""

import socket
from dataclasses import replace

import aiohttp
import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import AccountMode, Regime
from atlas_daemon.core.views import status_of
from atlas_daemon.dashboard import Dashboard
from atlas_daemon.dashboard.page import page_of
from tests.control.desk import Desk, position, settings_in


@pytest.fixture
def desk(tmp_path):
    desk = Desk(settings_in(tmp_path)).open()
    yield desk
    desk.journal.close()


async def fetch(desk, path, method="GET", **how):
    """Return status, headers and text of one request to a dashboard of its own."""
    dashboard = Dashboard(desk)
    url = await dashboard.start()
    try:
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url + path, **how) as response,
        ):
            return response.status, response.headers, await response.text()
    finally:
        await dashboard.stop()


@pytest.mark.asyncio
async def test_the_page_shows_account_positions_and_mode(desk):
    status, headers, text = await fetch(desk, "/")

    assert status == 200
    assert headers["Content-Type"].startswith("text/html")
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert headers["X-Content-Type-Options"] == "nosniff"
    for shown in ("[LOCAL]", "$10,245.67", "trading", "AAPL", "+$40", "Mon, Feb 2, 2026"):
        assert shown in text
    assert "refresh" not in text  # a page that reloads itself loses the reader's place
    assert text.count("<script") == text.count('<script src="/page.js" defer></script>') == 1
    assert "style=" not in text


@pytest.mark.asyncio
async def test_status_and_orders_are_there_as_json(desk):
    dashboard = Dashboard(desk)
    url = await dashboard.start()
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{url}/api/status") as response:
            view = await response.json()
        async with session.get(f"{url}/api/orders") as response:
            orders = await response.json()
        async with session.get(f"{url}/page.css") as response:
            assert response.headers["Content-Type"].startswith("text/css")
    await dashboard.stop()

    assert view["label"] == "[LOCAL]"
    assert view["money"]["equity"] == "10245.67"
    assert view["daemon"]["dashboard"] == url
    assert orders == {"label": "[LOCAL]", "orders": []}


@pytest.mark.asyncio
async def test_ready_says_why_not(desk):
    assert (await fetch(desk, "/readyz"))[0] == 200

    desk.take(e.StopRequested("ann", "test"))
    status, _, text = await fetch(desk, "/readyz")

    assert status == 503
    assert "halted by ann: test" in text
    assert (await fetch(desk, "/healthz"))[0] == 200


@pytest.mark.asyncio
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize("path", ["/", "/api/status", "/nowhere"])
async def test_s182_anything_but_reading_is_refused(desk, method, path):
    status, headers, _ = await fetch(desk, path, method)

    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.asyncio
async def test_head_is_answered_and_an_unknown_page_is_not_found(desk):
    assert (await fetch(desk, "/", "HEAD"))[0] == 200
    status, headers, text = await fetch(desk, "/../../etc/passwd")
    assert (status, text) == (404, "Not Found\n")
    assert "Content-Security-Policy" in headers


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "expected"),
    [("localhost:8787", 200), ("127.0.0.1", 200), ("[::1]:8787", 200), ("evil.example", 403)],
)
async def test_a_strangers_name_for_this_address_is_refused(desk, name, expected):
    assert (await fetch(desk, "/api/status", headers={"Host": name}))[0] == expected


@pytest.mark.asyncio
async def test_a_taken_port_is_one_line_that_names_the_key(tmp_path):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        desk = Desk(settings_in(tmp_path, dashboard__port=port))
        with pytest.raises(ConfigError, match=rf"dashboard\.port = {port} .*another program"):
            await Dashboard(desk).start()
        desk.journal.close()


def test_what_came_from_outside_is_escaped(desk):
    desk.take(e.StopRequested("<b>ann</b>", '"><script>alert(1)</script>'))
    page = page_of(status_of(desk.state, desk.policy, desk.now()))

    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "HALTED by &lt;b&gt;ann" in page


def test_a_live_account_is_labelled_live_and_the_unknown_is_called_so(tmp_path):
    desk = Desk(settings_in(tmp_path))
    desk.take(e.DaemonStarted("0.1.0", "MAIN", AccountMode.LIVE, "", "d", True))
    page = page_of(
        status_of(desk.state, desk.policy, desk.now(), fault="disk full", head=(3, "ab" * 32))
    )
    desk.journal.close()

    assert "[LIVE] MAIN" in page
    assert 'class="live"' in page
    assert "NOT DURABLE" in page
    assert "disk full" in page
    assert "journal 3:" in page
    assert "$0" not in page


def test_a_position_nobody_priced_is_shown_as_unknown(tmp_path):
    desk = Desk(settings_in(tmp_path), held=(position("AAPL", "8", "1480", None),)).open()
    view = status_of(replace(desk.state, calendar_dispute="27 Nov"), desk.policy, desk.now())
    desk.journal.close()

    page = page_of(view)

    assert "unknown" in page
    assert "Calendars differ: 27 Nov" in page


def test_alerts_that_reach_nobody_are_a_warning(desk):
    ill = {"channel": "webhook", "why": "HTTP 404", "waiting": 2}
    view = status_of(desk.state, desk.policy, desk.now()) | {"deliveries": [ill]}

    assert "Alerts do not reach webhook: HTTP 404; 2 wait" in page_of(view)


def test_a_run_is_shown_with_its_lines_orders_and_alerts(tmp_path):
    whole = {"held": (), "cash": "10000", "equity": "10000", "regime": Regime.TREND_BULL}
    desk = Desk(settings_in(tmp_path), **whole).open()
    desk.take(e.RebalanceRequested("ann", force=True))
    desk.beat()
    page = page_of(status_of(desk.state, desk.policy, desk.now()))
    desk.journal.close()

    assert "Rebalance force-20251118-1" in page
    assert "buying, round 1, order day 2025-11-18; TREND_BULL 100%" in page
    assert "<td>atlas-force-20251118-1-r1-buy-AAPL-1</td>" in page
    assert "<td>capped at 15 %</td>" in page
    assert "Last alerts" in page


def test_a_run_that_ended_is_shown_with_its_figures(tmp_path):
    small = {"held": (), "cash": "50", "equity": "50", "regime": Regime.TREND_BULL}
    desk = Desk(settings_in(tmp_path), **small).open()
    desk.take(e.RebalanceRequested("ann", force=True))
    for _ in range(10):
        desk.beat()
    page = page_of(status_of(desk.state, desk.policy, desk.now()))
    desk.journal.close()

    assert "<dt>Orders</dt><dd>0 (0 filled, 0 rejected)</dd>" in page
    assert "<dt>Regime</dt><dd>TREND_BULL (100% allocation)</dd>" in page
    assert "Performance since Nov 18, 2025" in page
    assert "n/a" in page
