"""Tier C: `atlasd paper` and `atlasd run`, real processes over loopback TCP, killed at any moment.

A seed draws where each blow falls, how the broker misbehaves and what else befalls the process;
the machine's scheduler has its say too, so that a seed is a direction and not a recording. Left
out, as tiers A and B have it and here it would cost a minute of real time: rate limits, hangs.
"""

import contextlib
import random
import signal
import sqlite3
import tempfile
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.values import Mode
from atlas_daemon.drillmaster.tap import Kind, Tap, Words
from atlas_daemon.journal.codec import decode
from tests.e2e.processes import (
    DUE,
    SIGNAL_DAY,
    Broker,
    Daemon,
    GoneError,
    Place,
    TooLateError,
    a_broker,
    a_place,
    children_of,
    has_ended,
    until,
)
from tests.simulation.aftermath import breaches
from tests.simulation.blows import BLOWS, Blow

EARLY = "2026-02-02T09:30:05"
HELD = {"INTC": 300, "IBM": 60, "MSFT": 20, "QCOM": 60, "TXN": 50}
TARGETS = ("AAPL", "MSFT", "NVDA", "ORCL", "CSCO", "CRM", "ADBE", "AMD")
WEIGHT = "0.09"
CASH = Decimal(60000)
SPEED_PLANNING, SPEED = 4.0, 10.0
"""Broker seconds per second. Signals are computed in real time, and are not waited for for ever."""
KILLS_MAX = 12
"""Blows of one story."""
PATIENCE_S = 150.0
LOOK_EVERY_S = 0.005

REQUEST_FAULTS = ("accept_then_504", "accept_then_reset", "accept_then_html",
                  "drop_before_accept", "http_500_html")  # fmt: skip
STREAM_FAULTS = ("duplicate_events", "lost_events", "unknown_event", "unknown_status",
                 "missing_timestamp", "no_listening_ack")  # fmt: skip
MISHAPS = ("", "", "", "refused", "cut", "frozen", "rival", "terminated", "stopped", "stopped")


@dataclass
class Told:
    """What became of a story."""

    seed: int
    breaches: list[str] = field(default_factory=list)
    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    """How many, by where the blow was to fall and in which phase it found the process."""
    mishaps: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    outcome: str = "unfinished"
    lives: int = 0
    orders: int = 0
    took_s: float = 0.0
    log: list[str] = field(default_factory=list)


class Story:
    """One account, one slot, as many lives as it takes."""

    def __init__(self, seed: int, broker: Broker, place: Place, kills_max: int) -> None:
        self.told = Told(seed)
        self._draw = random.Random(f"tier-c/{seed}")
        self._broker, self._place, self._kills_left = broker, place, kills_max
        self._tap = Tap(int(broker.url.rpartition(":")[2]), self._hear)
        place.write(self._tap.url)
        lines = (f"{symbol},{WEIGHT},{SIGNAL_DAY}" for symbol in TARGETS)
        targets = place.folder / "targets.csv"
        targets.write_text("\n".join(("symbol,weight,as_of", *lines, "")))
        self._path = place.state / "journal.db"
        self._seq = self._born_seq = 0
        self._reading, self._striking = threading.Lock(), threading.Lock()
        self._phase = "starting"
        self._run_phase = "idle"
        self._blow: Blow | None = None
        self._daemon: Daemon | None = None
        self._is_due = self._is_over = self._is_ending = self._is_struck = False
        self._is_halted = False
        self._orders_passed = 0

    def run(self) -> Told:
        """Live until the run is done, then compare what both sides have written."""
        began_s = time.monotonic()
        try:
            while not self._is_over:
                self._live()
            self._end()
        except (AssertionError, TooLateError, GoneError) as error:
            self._breach(str(error))
        finally:
            self._tap.close()
            self.told.took_s = time.monotonic() - began_s
        self._complaints()
        return self.told

    # One life.

    def _live(self) -> None:
        draw, told = self._draw, self.told
        self._read()
        if not self._is_due and self._seq:
            self._broker.go_to(DUE)
            self._is_due = True
        if self._is_due:
            is_planned = self._run_phase not in ("idle", "planning")
            self._broker.speed(SPEED if is_planned else SPEED_PLANNING)
        self._phase, self._born_seq = "starting", self._seq
        self._is_ending = self._is_struck = False
        self._daemon = None  # what the last one's connections still say strikes nobody
        self._blow = self._next_blow()
        mishap, mishap_at = (draw.choice(MISHAPS), draw.randint(1, 40)) if self._is_due else ("", 0)
        self._misbehave()
        daemon = self._daemon = self._place.daemon()
        told.lives += 1
        self._note(f"life {told.lives}: {self._blow}, {mishap or 'no mishap'} at +{mishap_at}")
        began_s = time.monotonic()
        children: set[int] = set()
        while daemon.process.poll() is None:
            self._read()
            if self._stands() == "planning":
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    children.update(children_of(daemon.process.pid))
            if mishap and self._seq - self._born_seq >= mishap_at:
                mishap = self._befall(mishap)
            self._strike_by_time(time.monotonic() - began_s)
            if self._is_over and not self._is_struck:
                return
            assert time.monotonic() - began_s < PATIENCE_S, f"no progress: {daemon.said()[-2000:]}"
            time.sleep(LOOK_EVERY_S)
        code = daemon.process.wait()
        self._read()
        self._note(f"ended with {code} after {time.monotonic() - began_s:.2f} s: {self._stands()}")
        if code == -signal.SIGKILL:
            until("end of its children", lambda: all(map(has_ended, children)))
        elif code != 0 and "does not answer" not in daemon.said():
            self._breach(f"the daemon ended with {code}: {daemon.said()[-2000:]}")
        self._tap.accept()
        if self._is_halted or self._place.latch.exists():  # a kill may come between the two
            self._stays_halted()

    def _next_blow(self) -> Blow | None:
        if not self._kills_left:
            return None
        if self._is_due:
            return BLOWS[self._draw.choice(tuple(BLOWS))](self._draw)
        names = ("start-up", "first words", "an entry is written", "an entry is written")
        blow = BLOWS[self._draw.choice(names)](self._draw)
        blow.nth = min(blow.nth, 9)
        return blow

    def _misbehave(self) -> None:
        """Arm up to three faults at the broker; what is left of the last ones is taken off."""
        self._broker.heal()
        if not self._is_due or not self._kills_left:
            return
        for _ in range(self._draw.randint(0, 3)):
            if self._draw.random() < 0.6:
                kind = self._draw.choice(REQUEST_FAULTS)
                path = self._draw.choice(("/v2/orders", "/v2/orders", "/v2/"))
                method = "POST" if path == "/v2/orders" else ""
                fault = {"kind": kind, "path": path, "method": method}
            else:
                kind = self._draw.choice(STREAM_FAULTS)
                fault = {"kind": kind, "probability": 0.5, "seed": self._draw.randint(1, 99)}
            self._broker.fault(**fault, count=self._draw.randint(1, 2))
            self.told.faults[kind] += 1

    # Blows and mishaps.

    def _hear(self, words: Words) -> bool:
        """Called in the tap's threads, one at a time."""
        if words.kind is Kind.ORDER:
            self._orders_passed += 1
            if not self._is_written(words.client_order_id):
                self._breach(f"{words.client_order_id} left before it was written")
        blow = self._blow
        if blow is None or self._daemon is None or blow.kind is not words.kind or self._is_struck:
            return True
        blow.nth -= 1
        if blow.nth:
            return True
        if blow.after_s:
            threading.Timer(blow.after_s, self._strike, (self._daemon, blow)).start()
            return True
        self._strike(self._daemon, blow)
        return blow.passes

    def _strike_by_time(self, lived_s: float) -> None:
        blow = self._blow
        if blow is None or blow.kind is not None or self._is_struck:
            return
        assert self._daemon is not None
        if blow.where == "start-up":
            is_time = lived_s >= blow.after_s
        else:
            is_time = self._seq - self._born_seq >= blow.nth
        if is_time and blow.where == "while ending":
            self._is_ending = True
            self._daemon.send(signal.SIGTERM)
            time.sleep(blow.after_s)
        if is_time:
            self._strike(self._daemon, blow)

    def _strike(self, daemon: Daemon, blow: Blow) -> None:
        with self._striking:
            if blow is not self._blow or self._is_struck:
                return  # a blow that comes too late
            self._is_struck = True
            daemon.process.kill()
            if daemon.process.wait() == -signal.SIGKILL:
                self._kills_left -= 1
                self._read()
                self.told.kills[blow.where, self._stands()] += 1

    def _spare(self) -> None:
        """No blow falls from here on."""
        with self._striking:
            self._blow = None

    def _befall(self, mishap: str) -> str:
        """Let a mishap happen, once."""
        assert self._daemon is not None
        self.told.mishaps[mishap] += 1
        self._note(f"{mishap} in {self._stands()}")
        daemon = self._daemon
        if mishap == "refused":
            self._tap.refuse()
            time.sleep(self._draw.uniform(0.1, 1.0))
            self._tap.accept()
        elif mishap == "cut":
            self._tap.cut()
        elif mishap == "frozen":
            daemon.send(signal.SIGSTOP)
            time.sleep(self._draw.uniform(0.2, 1.5))
            daemon.send(signal.SIGCONT)
        elif mishap == "rival":
            self._meet(daemon)
        elif mishap == "terminated":
            self._is_ending = True
            daemon.send(signal.SIGTERM)
        else:
            self._stop(daemon)
        return ""

    def _meet(self, daemon: Daemon) -> None:
        """Start a second daemon of the same account; it ends, unless the first one has."""
        rival = self._place.daemon()
        while daemon.process.poll() is None and rival.process.poll() is None:
            time.sleep(LOOK_EVERY_S)
        if daemon.process.poll() is not None:
            rival.process.kill()  # the place was free: it may have taken over
            rival.process.wait()
        elif rival.process.returncode != 5 or "another instance" not in rival.said():
            self._breach(f"a second daemon ended with {rival.process.returncode}: {rival.said()}")

    def _stop(self, daemon: Daemon) -> None:
        """The emergency stop, once or twice, and a kill a few turns later."""
        for _ in range(self._draw.randint(1, 2)):
            daemon.send(signal.SIGUSR1)
        time.sleep(self._draw.choice((0.0, 0.005, 0.02, 0.1, 0.5)))
        with self._striking:
            blow = self._blow = Blow("after a stop")
        self._strike(daemon, blow)

    def _stays_halted(self) -> None:
        """A stop is on the disk: the next process trades nothing until a person resumes."""
        self._spare()
        self._broker.heal()
        passed = self._orders_passed
        daemon = self._daemon = self._place.daemon()
        self.told.lives += 1
        status = daemon.wait_for("halt", lambda seen: seen["halt"] and seen["halt"]["is_complete"])
        if status["daemon"]["mode"] != Mode.HALTED:
            self._breach(f"the latch is on, and the mode is {status['daemon']['mode']}")
        if not self._place.latch.exists():
            self._breach("halted by its journal, and the latch is not made anew")
        if self._orders_passed != passed:
            self._breach("an order left while the latch was on")
        resumed = self._place.run("resume", "--account", "PROOF")
        assert resumed.returncode == 0, f"resume: {resumed.stderr}"
        daemon.process.kill()
        daemon.process.wait()
        self.told.kills["after a resume", self._stands()] += 1

    def _end(self) -> None:
        """The run is done: let the last process go in peace, and compare."""
        assert self._daemon is not None
        self._spare()
        self._broker.heal()
        if self._daemon.process.poll() is None:
            self._daemon.send(signal.SIGTERM)
            code = self._daemon.ends()
            if code:
                self._breach(f"SIGTERM ended it with {code}: {self._daemon.said()[-2000:]}")
        self.told.orders = len(self._broker.orders())
        for text in breaches(self._broker, self._place, CASH, HELD):
            self._breach(text)

    def _complaints(self) -> None:
        for daemon in self._place.daemons:
            if "Traceback" in daemon.said():
                self._breach(f"a traceback: {daemon.said()[-3000:]}")

    # What is known of the journal.

    def _rows(self, where: str, *values: object) -> list[tuple[int, str, str]]:
        """Rows of the journal as it is now; none where it cannot be read yet."""
        try:
            with contextlib.closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as db:
                text = f"SELECT seq, type, payload FROM entries WHERE {where} ORDER BY seq"
                return db.execute(text, values).fetchall()
        except sqlite3.OperationalError:
            return []

    def _read(self) -> None:
        with self._reading:  # the tap's threads strike too
            for seq, name, payload in self._rows("seq > ?", self._seq):
                self._seq = seq
                self._learn(decode(seq, name, payload))

    def _learn(self, event: e.Event) -> None:
        match event:
            case e.DaemonStarted():
                self._phase = "recovering"
            case e.ModeChanged(mode=Mode.TRADING):
                self._phase = "trading"
            case e.TradingHalted():
                self._phase, self._is_halted = "halted", True
            case e.TradingResumed():
                self._is_halted = False
            case e.RunStarted():
                self._run_phase = "planning"
            case e.PhaseStarted(phase=phase):
                self._run_phase = phase
            case e.RunFinished(outcome="done" | "degraded" as outcome):
                # Degraded, its rounds are used up: it goes on in the next session, not in ours.
                self._run_phase, self._is_over = outcome, True
                self.told.outcome = outcome

    def _stands(self) -> str:
        """Where the process stands, as far as its journal tells."""
        phase = "ending" if self._is_ending else self._phase
        return self._run_phase if phase == "trading" else phase

    def _is_written(self, order_id: str) -> bool:
        rows = self._rows("type = 'OrderSubmitted' AND payload LIKE ?", f'%"{order_id}"%')
        return bool(rows)

    def _breach(self, text: str) -> None:
        self.told.breaches.append(text)
        self._note(f"BREACH: {text}")

    def _note(self, text: str) -> None:
        self.told.log.append(text)


def run_story(seed: int, kills_max: int = KILLS_MAX) -> Told:
    """Live one story with processes of its own, gone at its end."""
    holdings = ",".join(f"{symbol}={qty}" for symbol, qty in HELD.items())
    with tempfile.TemporaryFile() as sink, a_place() as place:
        with a_broker(
            # Time runs ten times as fast, and with it whatever the daemon asks for.
            *("--seed", str(seed + 1), "--rate-limit", "0"),
            at=EARLY,
            holdings=holdings,
            cash=str(CASH),
            complaints=sink.fileno(),
        ) as broker:
            told = Story(seed, broker, place, kills_max).run()
        sink.seek(0)
        words = sink.read().decode(errors="replace")
        if "Traceback" in words or "Error" in words:
            told.breaches.append(f"the broker complains: {words[-3000:]}")
    return told
