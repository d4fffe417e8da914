"""The addresses of the page over real sockets: what each answers, and what it refuses."""

import asyncio
import shutil
import sqlite3
from contextlib import closing
from datetime import date, timedelta
from decimal import Decimal

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Regime
from atlas_daemon.dashboard import rendering
from atlas_daemon.dashboard.page import SECTIONS
from atlas_daemon.journal import JournalError
from atlas_daemon.journal.schema import CREATE
from tests.control.desk import Desk, settings_in

from .served import PATIENCE_S, served

WHOLE = {"held": (), "cash": "10000", "equity": "10000", "regime": Regime.TREND_BULL}
RUN = "force-20251118-1"


@pytest.fixture
def desk(tmp_path):
    desk = Desk(settings_in(tmp_path)).open()
    yield desk
    desk.journal.close()


@pytest.fixture
def running(tmp_path):
    """A desk with a run under way, and one day of equity."""
    desk = Desk(settings_in(tmp_path), **WHOLE).open()
    desk.take(e.EquityMarked(date(2025, 11, 17), Decimal(9990), Decimal(9990), Decimal(480)))
    desk.take(e.RebalanceRequested("ann", force=True))
    desk.beat()
    yield desk
    desk.journal.close()


# What is answered.


@pytest.mark.asyncio
async def test_rebalances_are_there_newest_first_and_each_by_its_name(running):
    async with served(running) as page:
        whole = await page.json("/api/rebalances")
        one = await page.json(f"/api/rebalances?run={RUN}")
    assert whole["label"] == "[LOCAL]"
    assert [run["run"] for run in whole["rebalances"]] == [RUN]
    assert one["rebalance"] == whole["rebalances"][0]
    order = one["rebalance"]["orders"][0]
    assert (order["symbol"], order["side"], order["status"]) == ("AAPL", "buy", "sending")


@pytest.mark.asyncio
async def test_equity_is_there_whole_and_by_its_days(running):
    async with served(running) as page:
        whole = await page.json("/api/equity")
        none = await page.json("/api/equity?from=2025-11-18&to=2025-11-30")
    assert whole["benchmark"] == "SPY"
    assert whole["points"] == running.chronicle.equity()["points"]
    assert [point["day"] for point in whole["points"]] == ["2025-11-17"]
    assert whole["points"][0]["flow"] is None
    assert none["points"] == []
    assert whole["regimes"] == [{"from": "2025-11-17", "to": "2025-11-17", "regime": "TREND_BULL"}]
    assert none["regimes"] == []


@pytest.mark.asyncio
async def test_an_order_is_there_by_its_id_with_its_steps(running):
    async with served(running) as page:
        (order,) = (await page.json("/api/orders"))["orders"]
        told = (await page.json(f"/api/orders?id={order['id']}"))["order"]
    assert (told["id"], told["run"]) == (order["id"], RUN)
    assert [step["what"] for step in told["events"]] == ["approved", "sent"]


@pytest.mark.asyncio
async def test_each_section_alone_is_what_the_whole_page_shows_of_it(running):
    async with served(running) as page:
        _, headers, whole = await page.ask("/")
        assert headers["Content-Type"].startswith("text/html")
        for name in SECTIONS:
            status, headers, part = await page.ask(f"/part/{name}")
            assert (status, headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            assert part in whole


@pytest.mark.asyncio
async def test_what_is_kept_is_made_anew_when_it_changes_in_the_same_second(running):
    """Page and sections are made once for what is true, and never shown after it."""
    async with served(running) as page:
        for path in ("/", "/part/alerts", "/part/chart", "/part/rebalances"):
            await page.ask(path)
        running.take(e.AlertRaised("info", "test", "just now"))
        assert "just now" in (await page.ask("/part/alerts"))[2]
        assert "just now" in (await page.ask("/"))[2]
        running.take(e.StopRequested("ann", "enough"))
        ended = e.RunFinished(RUN, "aborted", False, "stopped by ann", None)
        assert running.chronicle.rebalance(RUN)["outcome"] == ended.outcome
        for path in ("/part/rebalances", "/"):
            assert "aborted" in (await page.ask(path))[2]
        day = date(2025, 11, 18)
        running.take(e.EquityMarked(day, Decimal(12345), Decimal(0), Decimal(481)))
        for path in ("/part/chart", "/"):
            assert "$12,345" in (await page.ask(path))[2]


@pytest.mark.asyncio
async def test_the_same_second_and_state_are_shown_from_what_was_made(running, monkeypatch):
    made = []
    real = rendering.status_of
    monkeypatch.setattr(rendering, "status_of", lambda *a, **k: made.append(1) or real(*a, **k))
    async with served(running) as page:
        for _ in range(3):
            await page.ask("/")
            await page.ask("/part/header")
        assert len(made) == 2  # the page's, and that of the section which is kept
        running.clock.at += timedelta(seconds=1)
        await page.ask("/")
        assert len(made) == 3


@pytest.mark.asyncio
async def test_the_page_is_made_once_before_anybody_asks(running, monkeypatch, caplog):
    monkeypatch.setattr("atlas_daemon.dashboard.server.WARM_AFTER_S", 0.0)
    monkeypatch.setattr("atlas_daemon.dashboard.server.WARM_EVERY_S", 0.01)
    async with served(running) as page:
        rendered = page.dashboard._rendering
        async with asyncio.timeout(PATIENCE_S):
            while not rendered._made:
                await page.ask("/healthz")
        assert rendered._kept.keys() == {"chart", "rebalances"}
        monkeypatch.setattr(rendering, "page_of", lambda *what: 1 / 0)
        assert (await page.ask("/"))[0] == 200  # what was made is shown
        running.take(e.EquityMarked(date(2025, 11, 18), *(Decimal(777),) * 3))
        async with asyncio.timeout(PATIENCE_S):
            while "$777" not in rendered._kept["chart"][1]:
                await page.ask("/healthz")
    async with served(running) as page:
        await asyncio.wait([page.dashboard._warming])
        assert (await page.ask("/healthz"))[0] == 200
    told = [record.getMessage() for record in caplog.records if record.exc_info]
    assert told == ["The page cannot be made"]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("path", "kind"),
    [("/page.css", "text/css"), ("/page.js", "text/javascript")],
)
async def test_style_and_script_are_served_as_what_they_are(desk, path, kind):
    async with served(desk) as page:
        status, headers, text = await page.ask(path)
    assert (status, headers["Content-Type"]) == (200, f"{kind}; charset=utf-8")
    assert text


EVERY = ["/", "/part/header", "/part/nope", "/page.js", "/api/status", "/api/equity?from=x"]
EVERY += ["/api/rebalances", "/api/orders", "/healthz", "/readyz", "/metrics", "/nowhere"]


@pytest.mark.asyncio
async def test_every_answer_forbids_what_the_page_does_not_need(desk):
    async with served(desk) as page:
        for path in EVERY:
            _, headers, _ = await page.ask(path)
            policy = headers["Content-Security-Policy"].split("; ")
            assert policy[0] == "default-src 'none'"
            allowed = {rule for rule in policy if "'none'" not in rule}
            assert allowed == {
                *("style-src 'self'", "script-src 'self'", "connect-src 'self'"),
                "img-src 'self' data:",
            }
            assert headers["Referrer-Policy"] == "no-referrer"
            assert headers["X-Content-Type-Options"] == "nosniff"


@pytest.mark.asyncio
async def test_s182_every_address_reads_and_nothing_else(desk):
    async with served(desk) as page:
        before = desk.journal_head()
        for path in (*EVERY, "/api/events"):
            for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                status, headers, text = await page.ask(path, method)
                assert (status, headers["Allow"]) == (405, "GET, HEAD")
                assert text == "this page is read-only\n"
            status, _, text = await page.ask(path, "HEAD")
            assert status in (200, 400, 404)
            assert text == ""
        assert desk.journal_head() == before


# What has no answer.

UNFIT = [
    ("/api/rebalances?run=2031-02", 404, 'run = "2031-02": no rebalance of this name is kept here'),
    ("/api/rebalances?run=", 404, 'run = "": no rebalance of this name is kept here'),
    ("/api/rebalances?run=a%0Ab", 404, 'run = "a\\nb": no rebalance of this name is kept here'),
    ("/api/orders?id=atlas-x", 404, 'id = "atlas-x": no order of this id is kept here'),
    ("/api/equity?from=yesterday", 400, 'from = "yesterday": must be a day such as 2027-01-29'),
    ("/api/equity?to=2027-02-30", 400, 'to = "2027-02-30": must be a day such as 2027-01-29'),
    ("/api/equity?from=20270101", 400, 'from = "20270101": must be a day such as 2027-01-29'),
    ("/api/equity?from=", 400, 'from = "": must be a day such as 2027-01-29'),
    (
        "/api/equity?from=2027-02-02&to=2027-02-01",
        400,
        "from = 2027-02-02: must not be after to = 2027-02-01",
    ),
    ("/api/rebalances?to=0000-00-00", 400, 'to = "0000-00-00": must be a day such as 2027-01-29'),
    ("/part/nope", 404, '"nope": no such section'),
    ("/part/", 404, "Not Found"),
    ("/part/..%2F..%2Fetc%2Fpasswd", 404, '"../../etc/passwd": no such section'),
    ("/static/../../etc/passwd", 404, "Not Found"),
    ("/api/nothing", 404, "Not Found"),
    (f"/part/{'x' * 300}", 404, f'"{"x" * 80}...": no such section'),
]


@pytest.mark.asyncio
async def test_what_is_unknown_or_no_day_is_one_line_that_names_it(desk):
    async with served(desk) as page:
        for path, wanted, said in UNFIT:
            assert (await page.ask(path))[::2] == (wanted, f"{said}\n"), path


@pytest.mark.asyncio
async def test_a_bug_in_a_section_is_an_answer_and_a_stack_trace_and_no_end(
    desk, caplog, monkeypatch
):
    monkeypatch.setattr("atlas_daemon.dashboard.rendering.section_of", lambda *what: 1 / 0)
    async with served(desk) as page:
        assert (await page.ask("/part/header"))[0] == 500
        assert (await page.ask("/healthz"))[0] == 200
    assert [record.name for record in caplog.records if record.exc_info] == ["Dashboard"]


# Who speaks oddly.


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("said", "wanted"),
    [
        (b"GET /healthz HTTP/1.0\r\n\r\n", b"HTTP/1.0 200"),
        (b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n", b"HTTP/1.0 200"),
        (b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n", b"HTTP/1.0 400"),
        (b"GET /" + 9000 * b"x" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.0 400"),
        (b"GET /?" + 8000 * b"x" + b" HTTP/1.0\r\n\r\n", b"HTTP/1.0 200"),
        (b"GET / HTTP/1.1\r\n" + 200 * b"X: y\r\n" + b"\r\n", b"HTTP/1.0 400"),
    ],
    ids=["1.0", "1.0 with a host", "no host", "a giant path", "a long question", "many headers"],
)
async def test_odd_requests_have_a_plain_answer(desk, said, wanted):
    async with served(desk) as page:
        answer = await page.raw(said)
        assert answer.startswith(wanted), answer[:80]
        assert (await page.ask("/healthz"))[0] == 200


# A journal that is not as it should be, with the page over it.


@pytest.mark.asyncio
async def test_a_journal_of_an_older_version_is_brought_up_and_shown(tmp_path):
    desk = Desk(settings_in(tmp_path), **WHOLE).open()
    desk.take(e.RebalanceRequested("ann", force=True))
    rows = list(desk.journal.rows())
    desk.journal.close()
    path = desk.settings.journal_path
    for each in path.parent.glob("journal.db*"):
        each.unlink()
    older = CREATE[1].replace("    account_number TEXT NOT NULL DEFAULT '',\n", "")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA application_id = 0x41544C53")
        connection.execute(CREATE[0])
        connection.execute(older)
        connection.execute(
            "INSERT INTO meta VALUES (0, 'atlas_daemon', 'local', 'LARGE', '2025-11-18')"
        )
        connection.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.commit()

    desk = Desk(desk.settings, **WHOLE)
    async with served(desk) as page:
        assert (await page.ask("/"))[0] == 200
        shown = await page.json("/api/rebalances")
    desk.journal.close()
    assert [run["run"] for run in shown["rebalances"]] == [RUN]


@pytest.mark.asyncio
async def test_a_torn_tail_of_the_journal_s_log_costs_the_last_turn_and_the_rest_is_shown(tmp_path):
    """SQLite drops what a power cut left half written; the page shows what is there."""
    desk = Desk(settings_in(tmp_path), **WHOLE).open()
    desk.take(e.RebalanceRequested("ann", force=True))
    head = desk.journal_head()[0]
    desk.take(e.AlertRaised("info", "last", "half written"))
    whole = desk.journal_head()[0]
    torn = tmp_path / "torn"
    torn.mkdir()
    for each in desk.settings.state_dir.glob("journal.db*"):
        shutil.copy(each, torn / each.name)
    desk.journal.close()
    log = torn / "journal.db-wal"
    log.write_bytes(log.read_bytes()[:-100])
    (torn / "journal.db-shm").unlink(missing_ok=True)

    desk = Desk(settings_in(tmp_path, paths__state_dir="torn"), **WHOLE)
    async with served(desk) as page:
        tail = desk.chronicle.tail()
        assert (await page.ask("/part/tail"))[0] == 200
        assert (await page.json("/api/rebalances"))["rebalances"][0]["run"] == RUN
    desk.journal.close()
    assert (tail[0]["seq"], head < whole) == (head, True)


def test_entries_that_do_not_follow_are_refused_at_the_start_and_nothing_is_shown(tmp_path):
    """An altered entry is no page's to show: the start names it."""
    desk = Desk(settings_in(tmp_path)).open()
    desk.journal.close()
    with closing(sqlite3.connect(desk.settings.journal_path)) as connection:
        connection.execute("DROP TRIGGER entries_are_never_changed")
        connection.execute("UPDATE entries SET payload = 'altered' WHERE seq = 3")
        connection.commit()
    with pytest.raises(JournalError, match="entry 3 was altered"):
        Desk(desk.settings)


def test_the_address_is_this_machine_s_alone_by_default(tmp_path):
    assert settings_in(tmp_path).dashboard.host == "127.0.0.1"
