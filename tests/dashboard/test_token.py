"""Who may look: names, the token, its cookie, and what a wrong one gets."""

import asyncio
import logging
import re

import pytest

from atlas_daemon.config import load_credentials
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.dashboard import Dashboard
from atlas_daemon.dashboard.access import COOKIE, WRONG_MAX
from tests.control.desk import Desk, settings_in

from .served import PATIENCE_S, served

TOKEN = "correct-horse-battery-staple-0123456789"
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ASKED_FOR = ["/", "/part/header", "/page.js", "/api/status", "/api/events", "/readyz", "/metrics"]
ASKED_FOR += ["/nowhere"]


@pytest.fixture
def desk(tmp_path):
    desk = Desk(settings_in(tmp_path)).open()
    yield desk
    desk.journal.close()


class Delays:
    """Sleeps that end when the test says so."""

    def __init__(self) -> None:
        self.asked: list[float] = []
        self.over = asyncio.Event()

    async def __call__(self, delay_s: float) -> None:
        self.asked.append(delay_s)
        await self.over.wait()


def cookie_of(page) -> str:
    access = page.dashboard._access
    return f"{access._cookie_name}={access._cookie}"


@pytest.fixture
def is_quick(monkeypatch):
    monkeypatch.setattr("atlas_daemon.dashboard.access.WRONG_S", 0.0)


# The token.


@pytest.mark.asyncio
async def test_with_a_token_everything_but_being_alive_asks_for_it(desk):
    async with served(desk, TOKEN) as page:
        for path in ASKED_FOR:
            status, headers, text = await page.ask(path)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer"), path
            assert text == "a token is needed: open /?token=..., or send it as a Bearer\n"
            assert "Set-Cookie" not in headers
        assert (await page.ask("/healthz"))[0] == 200
        for path in ASKED_FOR[:-1]:
            async with page.session.get(page.dashboard.url + path, headers=BEARER) as answer:
                assert answer.status == 200, path
        assert (await page.ask("/nowhere", headers=BEARER))[0] == 404
        assert (await page.ask("/", "POST", headers=BEARER))[0] == 405


@pytest.mark.asyncio
async def test_opened_with_the_token_the_page_gives_a_cookie_and_forgets_the_address(desk):
    async with served(desk, TOKEN) as page:
        status, headers, text = await page.ask(f"/?token={TOKEN}")
        assert (status, headers["Location"], text) == (303, "/", "")
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
        cookie = headers["Set-Cookie"]
        assert re.fullmatch(
            rf"{COOKIE}-[0-9a-f]{{8}}=[0-9a-f]{{64}}; HttpOnly; Path=/; SameSite=Strict", cookie
        )
        assert TOKEN not in cookie

        value = cookie.split(";")[0]
        async with asyncio.timeout(PATIENCE_S):
            answer = await page.raw(
                f"GET / HTTP/1.0\r\nHost: localhost\r\nCookie: {value}\r\n\r\n".encode()
            )
        assert answer.startswith(b"HTTP/1.0 200")
        assert TOKEN.encode() not in answer
        again = f"GET /?token=anything HTTP/1.0\r\nHost: localhost\r\nCookie: {value}\r\n\r\n"
        assert (await page.raw(again.encode())).startswith(b"HTTP/1.0 303")


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "how",
    [
        {"path": "/?token=" + TOKEN[:-1] + "x"},
        {"path": f"/?token={TOKEN}x"},
        {"headers": {"Authorization": f"Bearer {TOKEN.upper()}"}},
        {"headers": {"Authorization": "Bearer \udcff"}},
    ],
    ids=["the last sign", "one more", "in capitals", "no text at all"],
)
async def test_a_wrong_token_is_refused_and_counted(desk, is_quick, how):
    async with served(desk, TOKEN) as page:
        headers = how.get("headers", {})
        said = f"GET {how.get('path', '/')} HTTP/1.0\r\nHost: localhost\r\n" + "".join(
            f"{name}: {value}\r\n" for name, value in headers.items()
        )
        answer = await page.raw(said.encode("utf-8", "surrogateescape") + b"\r\n")
        assert answer.startswith(b"HTTP/1.0 401")
        assert answer.endswith(b"\r\n\r\nwrong token\n")
        assert b"Set-Cookie" not in answer
        assert page.dashboard._access.wrong == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "headers",
    [
        {"Cookie": f"{COOKIE}={TOKEN}"},
        {"Cookie": f"{COOKIE}="},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": "Bearer"},
    ],
)
async def test_what_is_no_token_is_asked_for_one(desk, headers):
    async with served(desk, TOKEN) as page:
        assert (await page.ask("/", headers=headers))[0] == 401
        assert (await page.ask(f"/api/status?token={TOKEN}", headers=headers))[0] == 401
        assert page.dashboard._access.wrong == 0


@pytest.mark.asyncio
async def test_wrong_tokens_wait_without_holding_up_others_and_are_not_tried_in_crowds(desk):
    wrong = {"Authorization": "Bearer " + "x" * 32}
    async with served(desk, TOKEN) as page:
        delays = page.dashboard._access._sleep = Delays()
        waiting = [asyncio.create_task(page.ask("/", headers=wrong)) for _ in range(WRONG_MAX)]
        async with asyncio.timeout(PATIENCE_S):
            while len(delays.asked) < WRONG_MAX:
                assert (await page.ask("/healthz"))[0] == 200
        status, headers, text = await page.ask("/", headers=BEARER)  # right, and not looked at
        assert (status, headers["Retry-After"]) == (429, "10")
        assert text == "too many wrong tokens: later\n"
        cookie = {"Cookie": cookie_of(page)}
        assert (await page.ask("/", headers=cookie))[0] == 200

        delays.over.set()
        assert [(await task)[0] for task in waiting] == [401] * WRONG_MAX
        assert (await page.ask("/", headers=BEARER))[0] == 200
        assert set(delays.asked) == {1.0}


@pytest.mark.asyncio
async def test_the_token_is_in_no_line_of_the_log_and_wrong_ones_are_told_now_and_then(
    desk, is_quick, caplog
):
    caplog.set_level(logging.DEBUG)
    guess = "y" * 40
    async with served(desk, TOKEN) as page:
        access = page.dashboard._access
        now_s = 100.0
        access._time = lambda: now_s
        for _ in range(5):
            await page.ask(f"/?token={guess}")
        now_s += 60
        await page.ask(f"/?token={guess}")
        await page.ask(f"/?token={TOKEN}")
        await page.ask("/", headers=BEARER)
    told = [r.getMessage() for r in caplog.records if r.name == "Dashboard"]
    assert told == [
        "A wrong token from 127.0.0.1, 1 so far",
        "A wrong token from 127.0.0.1, 6 so far",
    ]
    assert not any(
        secret in record.getMessage() for record in caplog.records for secret in (TOKEN, guess)
    )


def test_every_comparison_takes_the_same_time_wherever_it_differs(monkeypatch):
    """What compares is the standard library's own, over the whole of both."""
    seen = []
    monkeypatch.setattr(
        "atlas_daemon.dashboard.access.hmac.compare_digest", lambda a, b: seen.append((a, b))
    )
    from atlas_daemon.dashboard.access import _same

    _same("given", b"ours")
    assert seen == [(b"given", b"ours")]


@pytest.mark.asyncio
async def test_two_daemons_of_one_host_leave_each_other_s_cookie_alone(desk):
    """A browser sends the cookies of every port of a host together, and keeps one of a name."""
    other = TOKEN[::-1]
    kept: dict[str, str] = {}
    async with served(desk, TOKEN) as one, served(desk, other) as two:
        for page, token in ((one, TOKEN), (two, other)):
            _, headers, _ = await page.ask(f"/?token={token}")
            name, _, value = headers["Set-Cookie"].split(";")[0].partition("=")
            kept[name] = value
        both = {"Cookie": "; ".join(f"{name}={value}" for name, value in kept.items())}
        for page in (one, two):
            assert (await page.ask("/api/status", headers=both))[0] == 200
        assert (await two.ask("/api/status", headers={"Cookie": cookie_of(one)}))[0] == 401


@pytest.mark.asyncio
@pytest.mark.parametrize("token", ["", TOKEN])
async def test_what_another_origin_s_page_asks_for_itself_is_refused(desk, token):
    """Nor does it keep a person's token waiting behind guesses of its own."""
    person = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    async with served(desk, token) as page:
        own = {"Cookie": cookie_of(page)}
        for site in ("cross-site", "same-site"):
            for how in (
                {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
                {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"},
                {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
            ):
                asked = own | how | {"Sec-Fetch-Site": site}
                for path in ("/", "/api/events", f"/?token={TOKEN[::-1]}"):
                    status, _, text = await page.ask(path, headers=asked)
                    assert (status, text) == (403, "a page of another origin asks\n")
            assert (await page.ask("/", headers=own | person | {"Sec-Fetch-Site": site}))[0] == 200
        for site in ("same-origin", "none"):
            assert (await page.ask("/page.js", headers=own | {"Sec-Fetch-Site": site}))[0] == 200
        assert page.dashboard._access.wrong == 0


# Names.


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("name", "alone", "with_token"),
    [
        ("localhost:8787", 200, 200),
        ("LOCALHOST", 200, 200),
        ("127.0.0.1", 200, 200),
        ("127.9.9.9:1", 200, 200),
        ("[::1]:8787", 200, 200),
        ("192.168.1.7:8787", 403, 200),
        ("[fe80::1]:8787", 403, 200),
        ("nas.home:8787", 403, 200),
        ("evil.example", 403, 403),
        ("127.0.0.1.evil.example", 403, 403),
        ("", 403, 403),
    ],
)
async def test_a_stranger_s_name_for_this_address_is_refused(tmp_path, name, alone, with_token):
    desk = Desk(settings_in(tmp_path, dashboard__hosts=["nas.home"])).open()
    bearer = BEARER | {"Host": name}
    async with served(desk, TOKEN) as page:
        assert (await page.ask("/api/status", headers=bearer))[0] == with_token
    desk.settings = settings_in(tmp_path)
    async with served(desk) as page:
        assert (await page.ask("/api/status", headers={"Host": name}))[0] == alone
    desk.journal.close()


# Where the token is found, and where it must be.


@pytest.mark.asyncio
@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "fe80::1"])
async def test_s182_another_address_than_this_machine_s_own_needs_a_token(tmp_path, host):
    desk = Desk(settings_in(tmp_path, dashboard__host=host))
    with pytest.raises(
        ConfigError, match=rf"dashboard\.token is missing: dashboard\.host = {host} "
    ):
        await Dashboard(desk).start()
    desk.journal.close()
    assert ConfigError.exit_code == 78


@pytest.mark.asyncio
async def test_another_name_for_it_needs_a_token_too(tmp_path):
    desk = Desk(settings_in(tmp_path, dashboard__hosts=["nas.home", "atlas.home"]))
    with pytest.raises(ConfigError, match=r"dashboard\.hosts = nas\.home, atlas\.home"):
        await Dashboard(desk).start()
    desk.journal.close()


@pytest.mark.asyncio
async def test_with_a_token_it_listens_on_every_address(tmp_path):
    desk = Desk(settings_in(tmp_path, dashboard__host="0.0.0.0")).open()
    async with served(desk, TOKEN) as page:
        assert page.dashboard.url.startswith("http://0.0.0.0:")
        answer = await page.raw(
            f"GET /readyz HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        assert answer.startswith(b"HTTP/1.0 200")
    desk.journal.close()


def credentials(tmp_path, environ=(), **settings):
    return load_credentials(settings_in(tmp_path, **settings), dict(environ))


def test_the_token_is_found_in_a_variable_or_in_a_file_beside_the_keys(tmp_path):
    assert credentials(tmp_path).dashboard_token == ""
    assert credentials(tmp_path, dashboard__token=TOKEN).dashboard_token == TOKEN
    for folder, name in (("handed", "alpaca_dashboard_token"), ("credentials", "dashboard_token")):
        path = tmp_path / folder / name
        path.parent.mkdir()
        path.write_text(f"{TOKEN}{folder}\n")
        environ = {"CREDENTIALS_DIRECTORY": str(tmp_path / "handed")} if folder == "handed" else {}
        found = credentials(tmp_path, environ)
        assert found.dashboard_token == TOKEN + folder
        assert TOKEN not in repr(found)
    assert credentials(tmp_path, dashboard__token=TOKEN).dashboard_token == TOKEN


@pytest.mark.parametrize("short", ["x" * 31, "two words, together more than 32 signs"])
def test_a_token_that_is_none_is_refused_by_name_and_never_shown(tmp_path, short):
    path = tmp_path / "credentials" / "dashboard_token"
    path.parent.mkdir()
    path.write_text(short)
    with pytest.raises(ConfigError, match=r"dashboard\.token .*32 to 200 plain") as error:
        credentials(tmp_path)
    assert short not in str(error.value)
    path.unlink()
    with pytest.raises(ConfigError, match=r"dashboard\.token = \*{4} .*32 to 200 plain") as error:
        credentials(tmp_path, dashboard__token=short)
    assert short not in str(error.value)
