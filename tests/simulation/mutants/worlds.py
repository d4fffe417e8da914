"""The worlds that mutants are looked for in: one day's story, ended at the first breach.

A focused one has only the faults it names, so that a rare meeting of two comes up in every seed.
"""

import contextlib
from collections.abc import Collection, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from tests.simulation import scenario
from tests.simulation.faults import NIGHTS, Faults
from tests.simulation.happenings import Happenings
from tests.simulation.network import Network
from tests.simulation.real_money import LiveScenario
from tests.simulation.scenario import Result, Scenario, a_folder

PATIENCE_S = 1800.0
"""Half of what a whole story has to come to rest: a day's story needs less."""


@dataclass(frozen=True)
class World:
    """All faults, as the seed draws them; nights only where `has_nights`."""

    has_nights: bool = False

    @property
    def words(self) -> str:
        """Name the world; empty for the whole one."""
        return "several sessions, nobody adopts" if self.has_nights else ""

    def run(self, seed: int) -> Result:
        """Run a seed until its end, or until something is breached."""
        if not self.has_nights:
            return told(seed, without=tuple(NIGHTS))
        with nobody_adopts():
            return told(seed)


@dataclass(frozen=True)
class Focused(World):
    """These faults, so likely each, and no others. `events` come once, at the second given."""

    chances: Mapping[str, float] = field(default_factory=dict)
    events: Mapping[str, float] = field(default_factory=dict)
    settings: Mapping[str, object] = field(default_factory=dict)
    method: str = ""
    """Only these requests meet faults; all where empty."""
    lasts_s: float = 240.0
    """How long its faults last."""
    picks: int = 0
    """So many lines are wanted; as the seed draws where 0."""

    @property
    def words(self) -> str:
        """Name the world."""
        settings = [f"{name} = {value}" for name, value in self.settings.items()]
        picks = [f"{self.picks} picks"] if self.picks else []
        only = [f"only {self.method} meets them"] if self.method else []
        return ", ".join((*self.chances, *self.events, *settings, *picks, *only))

    def run(self, seed: int) -> Result:
        """Run a seed in it."""
        with self._laid():
            return told(seed)

    @contextlib.contextmanager
    def _laid(self) -> Iterator[None]:
        begun, met = Faults.__post_init__, Network.hits
        settings_of, scene_of = scenario.settings_of, scenario.scene_of

        def begin(faults: Faults) -> None:
            begun(faults)
            faults._chances, faults._is_long = dict(self.chances), False
            faults.ends_s = self.lasts_s

        def come(faults: Faults, name: str) -> list[float]:
            return [self.events[name]] if name in self.events else []

        def hits(network: Network, name: str, method: str = "") -> bool:
            return self.method in ("", method or self.method) and met(network, name, method)

        def set_up(scene: Any, folder: Path) -> Any:
            return settings_of(scene, folder, **self.settings)

        def drawn(seed: int) -> Any:
            scene = scene_of(seed)
            if not self.picks:
                return scene
            weight = Decimal(10000 // self.picks) / 10000
            picks = tuple(replace(pick, weight=weight) for pick in scene.picks[: self.picks])
            return replace(scene, picks=picks)

        with (
            patch.object(Faults, "__post_init__", begin),
            patch.object(Faults, "moments", come),
            patch.object(Network, "hits", hits),
            patch.object(scenario, "settings_of", set_up),
            patch.object(scenario, "scene_of", drawn),
            nobody_adopts(),
        ):
            yield


@dataclass(frozen=True)
class KilledSending(Focused):
    """The process is killed right after an order's last byte; which one is the seed's choice."""

    @property
    def words(self) -> str:
        """Name the world."""
        return ", ".join(("kill -9 right after an order was sent", *self.chances))

    def run(self, seed: int) -> Result:
        """Run a seed once to count its acts, and once more with the kill."""
        with self._laid():
            names = acts(seed)
            sent = [n for n, name in enumerate(names, 1) if name.startswith("has sent POST")]
            return told(seed, kill_at=sent[seed % len(sent) :][:1] if sent else ())


@dataclass(frozen=True)
class RealMoney(World):
    """A live account, whose certificate expires amid the slot and is renewed later."""

    @property
    def words(self) -> str:
        """Name the world."""
        return "real money, a certificate that expires amid the slot"

    def run(self, seed: int) -> Result:
        """Run a seed in it."""
        return told(seed, without=tuple(NIGHTS), make=LiveScenario)


def nobody_adopts() -> AbstractContextManager[object]:
    """Let no person take what the account's own list explains: a bug would hide behind it."""
    return patch.object(Happenings, "_adopt_at_last", lambda self, state: None)


def told(
    seed: int,
    *,
    without: Collection[str] = (),
    kill_at: Collection[int] = (),
    make: type[Scenario] = Scenario,
) -> Result:
    """Run a story that ends at its first breach: what comes after it is of no interest."""
    with a_folder() as folder, patch.object(scenario, "PATIENCE_S", PATIENCE_S):
        story = make(seed, folder, without=without, kill_at=kill_at)
        breach = story.watch.breach

        def end(text: str) -> None:
            breach(text)
            story.is_over = True
            if story.world.process is not None:
                story.world.process.kill("a breach")

        story.watch.breach = end  # type: ignore[method-assign]
        return story.run()


def acts(seed: int) -> list[str]:
    """Return the names of all acts of a seed's story."""
    with a_folder() as folder:
        story = Scenario(seed, folder)
        story.run()
        return story.acts.names
