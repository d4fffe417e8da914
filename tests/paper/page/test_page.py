"""The broker's page: what it shows, to whom, and that nothing in it runs but its own script."""

import html.parser
import re
from datetime import timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.paper.desk import NewAccount
from atlas_daemon.paper.page import page
from atlas_daemon.paper.page.page_chart import Line, Mark, chart
from atlas_daemon.paper.server import RemoteHostError
from tests.paper.sockets import Client, running
from tests.paper.world import CLOSE, NOON

pytestmark = pytest.mark.asyncio

SCRIPT = Path(page.__file__).with_name("page.js")
VOID = {"meta", "link", "input"}


class Page(html.parser.HTMLParser):
    """Tags with their attributes, the text, and whether every tag is closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._open: list[str] = []
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


async def seen(client: Client, path: str = "/", **headers: str) -> Page:
    status, text = await client.ask("GET", path, headers=headers)
    assert status == 200, text
    return Page(text)


async def test_it_shows_account_positions_orders_and_activities_without_a_key():
    async with running(cash=Decimal(20000)) as client:
        await client.order(qty=2, client_order_id="the-first")
        await client.order(symbol="CHEAP", qty=3, type="limit", limit_price="8.5")
        await client.wait()
        text = (await seen(client)).text
        for word in (
            "Market open",
            "Thu 01 Feb 2024, 12:00:30 New York",
            "standing still; closes 16:00",
            "$20,499.65",
            "SPY",
            "the-first",
            "buy limit 8.5, day",
            "−$200.00",
            "Open orders 1",
            "Last orders of 2",
        ):
            assert word in text, word


async def test_clock_and_session_are_the_brokers_own():
    async with running(speed=60.0, monotonic=lambda: 0.0) as client:
        assert "60 x real time" in (await seen(client)).text
        client.go_to(CLOSE + timedelta(hours=10))
        text = (await seen(client)).text
        assert "Market closed" in text
        assert "opens Fri 02 Feb, 09:30" in text or "opens 09:30" in text


async def test_one_of_several_accounts_is_chosen_and_no_secret_is_shown():
    more = (NewAccount("PKTWO", "hidden-secret", Decimal(777)),)
    async with running(accounts=more) as client:
        shown = await seen(client, "/?account=PKTWO")
        assert "$777.00" in shown.text
        raw = (await client.ask("GET", "/?account=PKTWO", headers={}))[1]
        assert "hidden-secret" not in raw
        assert client.broker.secret not in raw
        assert "$777.00" not in (await seen(client, "/?account=nobody")).text


async def test_armed_faults_are_shown():
    async with running() as client:
        fault = {"kind": "http_429", "count": 3, "path": "/v2/orders"}
        assert (await client.ask("POST", "/_admin/faults", json=fault))[0] == 200
        assert "http_429 (/v2/orders): 3 times more" in (await seen(client)).text


async def test_what_a_client_wrote_is_text_and_no_markup():
    async with running() as client:
        evil = '<script>alert(1)</script><b onclick="x">'
        await client.order(client_order_id=evil)
        shown = await seen(client, "/?symbol=%3Cscript%3E&span=%22%3E&account=%3Cimg%3E")
        assert evil in shown.text.replace("\xa0", " ")
        assert [attributes.get("src") for tag, attributes in shown.tags if tag == "script"] == [
            "/page.js"
        ]
        for tag, attributes in shown.tags:
            assert not any(name.startswith("on") or name == "style" for name in attributes), tag


async def test_nothing_comes_from_elsewhere_and_the_policy_forbids_it():
    async with running() as client:
        shown = await seen(client)
        for _, attributes in shown.tags:
            for name in ("href", "src", "action"):
                value = attributes.get(name)
                assert value is None or value.startswith("/") or value == "data:,"
        async with client.session.get(client.broker.url + "/") as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'none'" in policy
            assert "unsafe" not in policy
            assert "http" not in policy
        for name, kind in (("page.css", "text/css"), ("page.js", "text/javascript")):
            async with client.session.get(f"{client.broker.url}/{name}") as answer:
                assert (answer.status, answer.content_type) == (200, kind)
                assert "://" not in await answer.text()


async def test_every_part_that_the_script_renews_is_there():
    found = re.search(r"of \[(.*?)\]", SCRIPT.read_text(encoding="utf-8"))
    assert found is not None
    wanted = re.findall(r'"(\w+)"', found[1])
    assert len(wanted) >= 8
    async with running() as client:
        ids = {attributes.get("id") for _, attributes in (await seen(client)).tags}
        assert ids >= {*wanted, "lost", "symbol"}


@pytest.mark.parametrize("host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example"])
@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js"])
async def test_a_strangers_name_for_this_machine_is_refused(host, path):
    async with running() as client:
        assert (await client.ask("GET", path, headers={"Host": host}))[0] == 403


async def test_a_page_elsewhere_may_not_read_it():
    async with running() as client:
        headers = {"Origin": "https://evil.example"}
        assert (await client.ask("GET", "/", headers=headers))[0] == 403


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
async def test_it_is_read_only(method):
    async with running() as client:
        assert (await client.ask(method, "/"))[0] == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
async def test_a_host_that_others_reach_is_refused_unless_allowed(host):
    with pytest.raises(RemoteHostError, match="reachable from outside"):
        async with running(host=host):
            pass


async def test_a_host_that_others_reach_may_be_allowed():
    async with running(host="0.0.0.0", allow_remote=True) as client:
        url = f"http://127.0.0.1:{client.broker.port}/v2/clock"
        async with client.session.get(url, headers=client.headers) as answer:
            assert answer.status == 200


@pytest.mark.parametrize("span", ["day", "month", "year"])
@pytest.mark.parametrize("hours", [0.1, 6, 100])
async def test_the_chart_has_a_line_at_any_hour(span, hours):
    async with running() as client:
        await client.order()
        client.go_to(NOON + timedelta(hours=hours))
        shown = await seen(client, f"/?symbol=SPY&span={span}")
        charts = [attributes for tag, attributes in shown.tags if tag == "polyline"]
        assert len(charts) == 2
        assert "buy 1 at 100" in shown.text or span == "day"


PRICES = st.floats(0.0001, 1e6)


@settings(max_examples=30, deadline=None)
@given(
    prices=st.lists(PRICES, min_size=2, max_size=20),
    before=st.none() | PRICES,
    entry=st.none() | PRICES,
    mark=st.none() | PRICES,
)
async def test_a_drawing_stays_within_its_frame(prices, before, entry, mark):
    places = [n / (len(prices) - 1) for n in range(len(prices))]
    marks = [Mark(0.5, mark, "buy", "<a>")] if mark else []
    line = Line("x", list(zip(places, prices, strict=True)), (), before, entry, marks)
    drawn = chart(line)
    Page(drawn)
    assert "<a>" not in drawn
    for points in re.findall(r'polyline class="price" points="([^"]*)"', drawn):
        pairs = [tuple(map(float, pair.split(","))) for pair in points.split()]
        assert all(0 <= x <= 960 and 0 <= y <= 300 for x, y in pairs)
        assert all(left[0] <= right[0] for left, right in pairwise(pairs))


async def test_a_span_without_prices_is_said_in_words():
    assert "No price is known" in chart(Line("x", (), ()))
