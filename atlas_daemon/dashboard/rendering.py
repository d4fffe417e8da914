"""Makes the page and its sections, each once for what is true in one second, however many ask.

A hundred browsers that hear of the same change are answered with the same text. May not live here:
what a section shows.
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import State
from atlas_daemon.core.views import status_of

from .chronicle import Chronicle
from .page import SECTIONS, page_of, section_of

View = dict[str, Any]

KEPT = ("chart", "rebalances")
"""Sections of the past alone: kept until a day or a run is added to it."""
RUNS_SHOWN = 16
"""The page's table of rebalances is shorter; `/api/rebalances` has all that are kept."""


class Host(Protocol):
    """The daemon as the page sees it."""

    @property
    def state(self) -> State:
        """What is true now."""
        ...

    @property
    def policy(self) -> Policy:
        """What the core decides by."""
        ...

    @property
    def fault(self) -> str:
        """Why the journal takes no entries; empty while it does."""
        ...

    @property
    def chronicle(self) -> Chronicle:
        """What happened."""
        ...

    def now(self) -> datetime:
        """Return the present moment of the daemon's clock."""
        ...

    def journal_head(self) -> tuple[int, str]:
        """Return place and hash of the last entry."""
        ...

    def deliveries(self) -> list[dict[str, Any]]:
        """Return how each way to people does."""
        ...


class Rendering:
    """`url` tells the page's own address, once it listens."""

    def __init__(self, host: Host, url: Callable[[], str]) -> None:
        self._host, self._url = host, url
        self._made: dict[str, str] = {}
        self._made_of: tuple[object, ...] = ()
        self._view: View | None = None
        self._kept: dict[str, tuple[tuple[object, ...], str]] = {}

    def status(self) -> View:
        """Return everything that is true now."""
        host = self._host
        return status_of(
            host.state,
            host.policy,
            host.now(),
            fault=host.fault,
            head=host.journal_head(),
            url=self._url(),
        ) | {"deliveries": host.deliveries()}

    def page(self) -> str:
        """Return the whole page."""
        return self._once("", self._page)

    def section(self, name: str) -> str:
        """Return one section. Raises KeyError where there is none such."""
        if name not in SECTIONS:
            raise KeyError(name)
        if name in KEPT:
            return self._keep(name)
        return self._once(name, lambda: section_of(name, self._view_for(name)))

    def _page(self) -> str:
        view = self._now() | {"tail": self._host.chronicle.tail(), "rebalances": self._open_run()}
        return page_of(view, {name: self._keep(name) for name in KEPT})

    def _view_for(self, name: str) -> View:
        """Return what one section is made of: it is asked for at every fill."""
        if name == "run":
            return self._now() | {"rebalances": self._open_run()}
        return (
            self._now() | {"tail": self._host.chronicle.tail()} if name == "tail" else self._now()
        )

    def _open_run(self) -> list[View]:
        run = self._host.state.run
        told = None if run is None else self._host.chronicle.rebalance(run.run_id)
        return [] if told is None else [told]

    def _once(self, name: str, make: Callable[[], str]) -> str:
        """Return what was made of the same truth before, or make it."""
        host = self._host
        now = host.now().replace(microsecond=0)
        made_of = (host.state, host.policy, host.fault, now)
        if not _is_same(self._made_of, made_of):
            self._made.clear()
            self._made_of, self._view = made_of, None
        if (text := self._made.get(name)) is None:
            text = self._made[name] = make()
        return text

    def _now(self) -> View:
        if self._view is None:
            self._view = self.status()
        return self._view

    def _keep(self, name: str) -> str:
        """Return a section that changes seldom and costs much."""
        host, chronicle = self._host, self._host.chronicle
        made_of: tuple[object, ...]
        if name == "chart":
            made_of = (chronicle.equity_version, host.policy.benchmark)
        else:
            made_of = (host.state.last_run, chronicle.ends_version)
        if (had := self._kept.get(name)) is not None and _is_same(had[0], made_of):
            return had[1]
        if name == "chart":
            text = section_of(name, {"equity": chronicle.chart(host.policy.benchmark)})
        else:
            runs = chronicle.rebalances(RUNS_SHOWN)
            text = section_of(name, self.status() | {"rebalances": runs})
        self._kept[name] = (made_of, text)
        return text


def _is_same(before: tuple[object, ...], now: tuple[object, ...]) -> bool:
    """Compare figures as they are, and records by identity: a look inside would cost more."""
    return len(before) == len(now) and all(
        one is other or (isinstance(other, int | str | datetime) and one == other)
        for one, other in zip(before, now, strict=True)
    )
