"""Makes the pictures of the README from the programs themselves: `python docs/pictures/make.py`.

A terminal of tmux shows `atlasd demo` and `atlasd status`, a headless Chromium the page, all on the
local broker, whose prices and clock are the same each time. Needs tmux, and Playwright with the
system's chromium for the page. Takes some seven minutes. Name pictures to make only those.
"""

import contextlib
import io
import json
import os
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from zoneinfo import ZoneInfo

HERE = Path(__file__).parent
TERMINALS = ("demo.svg", "status.svg")
PAGES = {
    "dashboard.png": (1200, 900, "light"),
    "dashboard-dark.png": (1200, 900, "dark"),
    "dashboard-phone.png": (390, 844, "light"),
}
"""Width and height of the window in pixels, and what the reader's system prefers."""
STAGED = ("dashboard-rebalance.png", "dashboard-live-phone.png")
"""Moments of the page that no demo stays in; `tests.dashboard.page.pictures` has them."""
PICTURES = (*TERMINALS, *PAGES, *STAGED)
BYTES_MAX = 300_000
NEW_YORK = ZoneInfo("America/New_York")

ATLASD = Path(sys.executable).with_name("atlasd")
COLUMNS = 100
PATIENCE_S = 120.0
HOLDINGS = "INTC=300,IBM=60,CSCO=200,MSFT=20,AAPL=30"
DUE_SOON = "2026-02-02T09:34:50-05:00"
SHOWN_AT = "2026-03-10T14:32:05-04:00"
CONFIGURATION = """\
[account]
mode = "local"
name = "LARGE"
[broker]
trading_url = "{broker}"
[regime]
source = "fixed:TREND_BULL"
[paths]
state_dir = "state"
log_dir = "logs"
[dashboard]
port = {port}
"""

# A terminal drawn with the reader's own fonts: nothing is fetched from anywhere.
SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{
  font-family: ui-monospace, "DejaVu Sans Mono", "Liberation Mono", Menlo, Consolas, monospace;
  font-size: {char_height}px; line-height: {line_height}px;
}}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}" />
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">
{matrix}
</g>
</g>
</svg>
"""


def main(wanted: list[str]) -> int:
    """Make the pictures named, or all; return the exit code."""
    if strange := set(wanted) - set(PICTURES):
        sys.stderr.write(f"no such picture: {', '.join(sorted(strange))}\n")
        return 2
    names = set(wanted or PICTURES)
    with tempfile.TemporaryDirectory(prefix="atlas-pictures-") as folder:
        here = Path(folder)
        if "demo.svg" in names:
            port = free_port()
            command = f"{ATLASD} demo --port {port}"
            text = told_without_chance(recorded(command, here), here, port)
            write_terminal("demo.svg", text, "atlasd demo")
        if names & set(STAGED):
            staged = [sys.executable, "-m", "tests.dashboard.page.pictures"]
            subprocess.run(staged, check=True, cwd=HERE.parents[1])
        if names & {"status.svg", *PAGES}:
            with a_month_later(here) as url:
                if "status.svg" in names:
                    text = recorded(f"{ATLASD} status", here)
                    write_terminal("status.svg", text, "atlasd status")
                for name in [name for name in PAGES if name in names]:
                    write_page(name, url)
    too_big = [name for name in names if (HERE / name).stat().st_size > BYTES_MAX]
    for name in too_big:
        sys.stderr.write(f"{name}: more than {BYTES_MAX} bytes\n")
    return 1 if too_big else 0


# Terminals.


def recorded(command: str, folder: Path) -> str:
    """Return what a terminal shows once `command` has ended, with its colours as escapes."""
    place, done = folder / "tmux", folder / "done"
    done.unlink(missing_ok=True)
    tmux = ["tmux", "-S", str(place), "-f", os.devnull]
    shell = f"cd {shlex.quote(str(folder))}; {command}; touch {done}; exec sleep 600"
    new = ["new-session", "-d", "-x", str(COLUMNS), "-y", "24", f"sh -c {shlex.quote(shell)}"]
    environ = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    subprocess.run([*tmux, *new], check=True, env=environ)
    try:
        until("end of " + command, done.exists)
        capture = [*tmux, "capture-pane", "-e", "-p", "-S", "-"]
        return subprocess.run(capture, check=True, capture_output=True, text=True).stdout
    finally:
        subprocess.run([*tmux, "kill-server"], check=False)


def told_without_chance(text: str, folder: Path, port: int) -> str:
    """Return the text with what is another each time made the same: ports, the folder's name."""
    text = text.replace(f"127.0.0.1:{port}", "127.0.0.1:8787").replace(f"{folder}/", "")
    return re.sub(r"(Broker at http://127\.0\.0\.1):\d+", r"\1:8790", text)


def write_terminal(name: str, text: str, title: str) -> None:
    """Draw a terminal's text, its empty end left out."""
    from rich.console import Console
    from rich.text import Text

    console = Console(width=COLUMNS, record=True, file=io.StringIO(), highlight=False)
    for line in text.rstrip().splitlines():
        console.print(Text.from_ansi(line), no_wrap=True, crop=True)
    svg = console.export_svg(title=title, code_format=SVG, unique_id="t")
    (HERE / name).write_text(svg, encoding="utf-8")


# Pages.


def write_page(name: str, url: str) -> None:
    """Photograph the page as a reader sees it."""
    from playwright.sync_api import sync_playwright

    width, height, scheme = PAGES[name]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium())
        window = {"width": width, "height": height}
        page = browser.new_page(viewport=window, color_scheme=scheme)
        page.goto(url)
        page.wait_for_timeout(1500)
        page.screenshot(path=str(HERE / name))
        browser.close()


def chromium() -> str:
    """Return where the system's browser is."""
    found = shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        raise SystemExit("no chromium here")
    return found


# A daemon that has something to show.


@contextlib.contextmanager
def a_month_later(folder: Path) -> Iterator[str]:
    """Run broker and daemon until a month after a rebalance; yield the page's address."""
    broker, page = (f"http://127.0.0.1:{free_port()}" for _ in range(2))
    port = page.rsplit(":", 1)[1]
    (folder / "atlas.toml").write_text(CONFIGURATION.format(broker=broker, port=port))
    paper = ["paper", "--port", broker.rsplit(":", 1)[1], "--at", DUE_SOON]
    with running(folder, *paper, "--cash", "60000", "--holdings", HOLDINGS):
        until("broker", lambda: answers(f"{broker}/_admin/state"))
        with running(folder, "run"):
            until("page", lambda: answers(f"{page}/healthz"))
            until("rebalance", lambda: (status_of(page)["last_run"] or {}).get("is_final"))
            for day in sessions(date(2026, 2, 2), date(2026, 3, 9)):
                evening = datetime.combine(day, time(20, 5), NEW_YORK)
                go_to(broker, evening)
                until(f"evening of {day}", lambda at=evening: is_over(page, folder, at))
            go_to(broker, datetime.fromisoformat(SHOWN_AT))
            until("figures", lambda: is_calm(page))
            yield page


def sessions(first: date, last: date) -> list[date]:
    """Return the days on which New York trades."""
    from atlas_daemon.core.sessions import NYSE

    return [session.day for session in NYSE.sessions_between(first, last)]


def is_over(page: str, folder: Path, evening: datetime) -> bool:
    """True once the doctor has looked that evening, the regime is the day's, its equity marked."""
    view = status_of(page)
    examined, regime = view["examined"], view["regime"]
    if examined is None or datetime.fromisoformat(examined["at"]) < evening:
        return False
    return regime["as_of"] == evening.date().isoformat() and is_marked(folder, evening)


def is_marked(folder: Path, evening: datetime) -> bool:
    """True once the journal has the equity of the session that closed that day."""
    from atlas_daemon.core.events import EquityMarked
    from atlas_daemon.journal import Journal

    with Journal.open_readonly(folder / "state" / "journal.db") as journal:
        marks = [one for one in journal.read() if isinstance(one.event, EquityMarked)]
    return marks[-1].at >= evening


def is_calm(page: str) -> bool:
    """True once the daemon trades, on figures of the moment that is shown."""
    view = status_of(page)
    as_of = view["money"]["as_of"]
    is_new = as_of is not None and datetime.fromisoformat(as_of) >= datetime.fromisoformat(SHOWN_AT)
    return is_new and view["daemon"]["mode"] == "trading"


def status_of(page: str) -> Any:
    """Return the daemon's status as its page tells it to programs."""
    with urllib.request.urlopen(f"{page}/api/status", timeout=10) as answer:
        return json.loads(answer.read())


def go_to(broker: str, at: datetime) -> None:
    """Let the broker's clock leap."""
    body = json.dumps({"at": at.astimezone(UTC).isoformat()}).encode()
    urllib.request.urlopen(f"{broker}/_admin/clock", body, timeout=10).close()


@contextlib.contextmanager
def running(folder: Path, *words: str) -> Iterator[None]:
    """Run a command of ours beside us, ended as systemd ends it."""
    log = (folder / f"{words[0]}.log").open("wb")
    process = subprocess.Popen([ATLASD, *words], cwd=folder, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
        log.close()


def answers(url: str) -> bool:
    """True where the address answers."""
    try:
        urllib.request.urlopen(url, timeout=2).close()
    except OSError:
        return False
    return True


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as made:
        made.bind(("127.0.0.1", 0))
        return int(made.getsockname()[1])


def until(what: str, look: Callable[[], Any]) -> None:
    """Wait until `look` says something true."""
    ends_at = monotonic() + PATIENCE_S
    while not look():
        if monotonic() > ends_at:
            raise SystemExit(f"no {what} within {PATIENCE_S:.0f} s")
        sleep(0.2)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
