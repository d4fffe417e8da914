"""One drill's own broker, wire, home and daemon: set up, let run, and taken down again."""

import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from atlas_daemon.core import events as e
from atlas_daemon.core.errors import AtlasError

from .books import Books, gather
from .broker import Broker, running_broker
from .ground import Ground, folders_of, toml, write_config
from .home import Daemon, Home
from .processes import scratch_environment, until
from .wire import Wire

FAST = 10.0
"""Broker seconds per second where nothing is to be seen but waiting."""

WATCHED_S = 40.0
"""Broker seconds in which nothing may leave."""


class CannotRunError(AtlasError):
    """What the drill is about cannot be brought about on this host; the text says why."""


@dataclass(frozen=True, slots=True)
class Setting:
    """What every drill is given."""

    ground: Ground
    folder: Path
    """A scratch folder of this drill alone."""
    say: Callable[[str], None]
    """Told of each step, for people."""
    reacts_to_crash: bool
    """`regime.react`: whether a CRASH between slots goes to cash."""
    flattens: bool
    """`emergency.action`: whether a stop sells all."""
    stops_account: bool
    """`emergency.scope`: whether a stop cancels others' orders too."""

    @contextmanager
    def scene(self, state: Path | None = None) -> "Iterator[Scene]":
        """Yield a daemon that trades, minutes before the slot; all of it is gone with the block."""
        home = Home(self.folder)
        home.runtime = self.folder / "run"
        if state is not None:
            home.state = state
        complaints = self.folder / "broker.txt"
        with contextlib.ExitStack() as stack:
            sink = stack.enter_context(complaints.open("wb"))
            broker = stack.enter_context(
                running_broker(
                    *self._arguments(),
                    cwd=self.folder,
                    complaints=sink.fileno(),
                    environ=scratch_environment(self.folder),
                )
            )
            wire = Wire(broker)
            stack.callback(wire.close)
            stack.callback(home.close)
            self._write(home, wire.url)
            scene = Scene(self, broker, wire, home, home.daemon())
            scene.daemon.is_trading()
            broker.speed(1)
            self.say("daemon and local broker are up, minutes before the slot")
            yield scene

    def _arguments(self) -> tuple[str, ...]:
        ground = self.ground
        held = ",".join(f"{symbol}={qty}" for symbol, qty in ground.holdings.items())
        return (
            *("--market", ground.market, "--at", ground.starts_at.isoformat()),
            *("--holdings", held, "--cash", str(ground.cash), "--rate-limit", "0"),
            *("--speed", str(FAST)),  # a first book is believed after some seconds only
        )

    def _write(self, home: Home, url: str) -> None:
        folders = folders_of(self.folder, home.state)
        write_config(home.config, {**self.ground.lines, "broker.trading_url": toml(url), **folders})


@dataclass
class Scene:
    """What a drill may do, and look at."""

    setting: Setting
    broker: Broker
    wire: Wire
    home: Home
    daemon: Daemon

    @property
    def ground(self) -> Ground:
        """Where it takes place."""
        return self.setting.ground

    def say(self, text: str) -> None:
        """Tell people of a step."""
        self.setting.say(text)

    def fall_due(self) -> None:
        """Let the slot fall due."""
        self.broker.go_to(self.ground.due_at.isoformat())
        self.say(f"the slot of {self.ground.session.day} is due")

    def restart(self) -> Daemon:
        """Start the next daemon."""
        self.daemon = self.home.daemon()
        return self.daemon

    def kill(self) -> None:
        """SIGKILL the daemon, and see it gone."""
        self.daemon.process.kill()
        self.daemon.ends()

    def ends_well(self) -> int:
        """Ask the daemon to end; return its exit code."""
        self.daemon.process.terminate()
        return self.daemon.ends()

    def command(self, *arguments: str) -> str:
        """Run a command of `atlasd` beside the daemon; AtlasError with its words where it fails."""
        try:
            done = self.home.run(*arguments)
        except subprocess.TimeoutExpired:
            raise AtlasError(f"atlasd {arguments[0]} did not end") from None
        if done.returncode:
            words = (done.stderr or done.stdout).strip().splitlines()[-1:]
            raise AtlasError(f"atlasd {' '.join(arguments)} ended with {done.returncode}: {words}")
        return done.stdout

    def later(self, seconds: float) -> None:
        """Let so many of the broker's seconds pass, fast."""
        state = self.broker.ask("GET", "/_admin/state")
        wanted = datetime.fromisoformat(state["at"]) + timedelta(seconds=seconds)
        self.broker.speed(FAST)
        until("later moment", lambda: self.now() >= wanted)

    def now(self) -> datetime:
        """Return the broker's time."""
        at: str = self.broker.ask("GET", "/_admin/state")["at"]
        return datetime.fromisoformat(at)

    def is_halted(self) -> float:
        """Wait until the stop is complete; return the seconds that it took to be seen so."""
        began_s = time.monotonic()
        self.daemon.wait_for(
            "complete stop", lambda seen: seen["halt"] is not None and seen["halt"]["is_complete"]
        )
        return time.monotonic() - began_s

    def has_flattened(self) -> None:
        """Wait until a stop that sells all has sold."""
        if self.setting.flattens:
            self.broker.speed(FAST)
            self.daemon.wait_for("all sold", lambda seen: seen["halt"]["flatten"]["left"] == 0)

    def resume(self) -> None:
        """Resume as a person does, by the command; the run goes on, unless the stop has sold."""
        name = json.loads(self.ground.lines["account.name"])
        self.command("resume", "--account", name)
        self.say("resumed by a person's command")
        if self.setting.flattens:  # the slot is closed by it
            self.daemon.is_trading()
            self.later(WATCHED_S)
        else:
            self.is_done()

    def is_done(self) -> str:
        """Wait for the end of the slot's run, fast; return its outcome."""
        self.broker.speed(FAST)
        until("run", lambda: self.home.events(e.RunStarted))
        run_id = self.home.events(e.RunStarted)[0].run_id  # a stop may have one of its own

        def is_over(status: dict[str, Any]) -> bool:
            last = status["last_run"]
            return bool(last and last["id"] == run_id and last["is_final"])

        status = self.daemon.wait_for(f"end of run {run_id}", is_over)
        outcome: str = status["last_run"]["outcome"]
        self.say(f"run {run_id} is {outcome}")
        return outcome

    def resting_pick(self) -> str:
        """Halt a symbol that will be bought, so that its order rests; return it."""
        free = [symbol for symbol in self.ground.picks if symbol not in self.ground.holdings]
        if not free:
            raise CannotRunError("the strategy picks no symbol that is not held already")
        self.broker.trading(free[-1], is_halted=True)
        return free[-1]

    def rests(self, *symbols: str) -> list[str]:
        """Wait until an order of each of these symbols rests and no other; return their ids."""

        def look() -> list[str]:
            live = [o for o in self.broker.orders() if o["status"] in ("new", "accepted")]
            are_those = sorted(str(order["symbol"]) for order in live) == sorted(symbols)
            if not are_those or self.broker.open_orders() != len(symbols):
                return []
            return [str(order["client_order_id"]) for order in live]

        order_ids = until(f"orders of {', '.join(symbols)} that rest", look)
        until("their answers on record", lambda: all(map(self._is_working, order_ids)))
        return order_ids

    def _is_working(self, order_id: str) -> bool:
        return any(
            step.order_id == order_id and step.broker_order_id
            for step in self.home.events(e.OrderStepped)
        )

    def books(self) -> Books:
        """Return what both sides have written; the daemon has ended."""
        return gather(self.broker, self.home, self.wire.passed)
