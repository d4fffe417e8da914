"""A real headless Chromium for the page's tests and pictures, and what it complains of.

Where there is no browser, or nothing to drive it, a test is skipped and says so; in CI it fails.
"""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, NoReturn

import pytest

try:
    from playwright.sync_api import Browser, Page, sync_playwright
except ImportError:  # an environment without the development tools
    sync_playwright = None  # type: ignore[assignment]
    Browser = Page = Any  # type: ignore[assignment, misc]

NAMES = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
PATIENCE_MS = 20_000
BEGINS = datetime(2026, 2, 2, 14, tzinfo=UTC)
"""Where a clock in hand stands at first."""


def not_here(reason: str) -> NoReturn:
    """Skip visibly; in CI everything has to be there."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"in CI nothing is left out: {reason}")
    pytest.skip(reason)


@contextmanager
def a_browser() -> Iterator[Browser]:
    """The distribution's Chromium, or Playwright's own where that was installed."""
    if sync_playwright is None:
        not_here("playwright is not installed")
    with sync_playwright() as playwright:
        path = next((found for name in NAMES if (found := shutil.which(name))), None)
        if path is None and not os.path.exists(playwright.chromium.executable_path):  # noqa: PTH110
            not_here(f"no Chromium here: none of {', '.join(NAMES)}")
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0
        arguments = ["--no-sandbox"] if is_root else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


class Window:
    """One page of one context, for many tests: a context of its own for each costs seconds."""

    def __init__(self, browser: Browser, *, has_clock: bool = False, **context: Any) -> None:
        self._here = browser.new_context(**context)
        self._has_scripts = context.get("java_script_enabled", True)
        self.page = self._here.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.complaints: list[str] = []
        self.page.on("console", lambda said: self._complain(f"{said.type}: {said.text}"))
        self.page.on("pageerror", lambda error: self._complain(f"error: {error}"))
        self.page.on("dialog", lambda dialog: self._complain(f"dialog: {dialog.message}"))
        if has_clock:
            self.page.clock.install(time=BEGINS)
            self.page.clock.pause_at(BEGINS + timedelta(hours=1))

    def _complain(self, text: str) -> None:
        self.complaints.append(text)

    @contextmanager
    def at(
        self,
        url: str,
        *,
        size: tuple[int, int] = (1280, 900),
        scheme: str = "light",
        motion: str = "no-preference",
        state: str = "on",
    ) -> Iterator[Page]:
        """The page at `url`, once it is on or off; at the end nothing may stand in its console."""
        page = self.page
        page.set_viewport_size({"width": size[0], "height": size[1]})
        page.emulate_media(color_scheme=scheme, reduced_motion=motion)  # type: ignore[arg-type]
        self.complaints.clear()
        page.goto(url)
        if self._has_scripts:
            page.wait_for_selector(f"#live.{state}")
        try:
            yield page
            assert self.complaints == []
        finally:
            page.goto("about:blank")

    def close(self) -> None:
        """Be gone."""
        self._here.close()


@contextmanager
def a_window(browser: Browser, **how: Any) -> Iterator[Window]:
    """A window that is gone at the block's end."""
    window = Window(browser, **how)
    try:
        yield window
    finally:
        window.close()
