"""kill9: SIGKILL at the worst instants of a rebalance, and a new process each time."""

import signal
import threading
import time
from collections.abc import Iterator

from .books import Books
from .processes import LOOK_EVERY_S, PATIENCE_S, GoneError, TooLateError
from .scene import FAST, Scene, Setting
from .tap import Kind, Words
from .verdicts import Check, whole

INSTANTS = (
    (Kind.ORDER, "-sell-", False, "a sell is written and has not left"),
    (Kind.ANSWER, "-sell-", False, "a sell is accepted and its answer has not come"),
    (Kind.ORDER, "-buy-", False, "the sells are done and no buy has left"),
    (Kind.ANSWER, "-buy-", True, "a buy is accepted and the others are on their way"),
)
"""What passes the wire when the blow falls, for which side, whether it still arrives, in words."""


class Blows:
    """Kills the daemon at each instant once, in their order."""

    def __init__(self, scene: Scene) -> None:
        self.struck: list[str] = []
        self._scene, self._lock = scene, threading.Lock()
        self._is_armed = True

    def hear(self, words: Words) -> bool:
        """Strike where the next instant has come."""
        with self._lock:
            if not self._is_armed or len(self.struck) == len(INSTANTS):
                return True
            kind, side, passes, name = INSTANTS[len(self.struck)]
            if words.kind is not kind or side not in words.client_order_id:
                return True
            # What the dying process's other connections still say strikes nobody.
            self._is_armed = False
            self.struck.append(name)
            self._scene.daemon.process.kill()
            return passes

    def arm(self) -> None:
        """The next process may be struck."""
        with self._lock:
            self._is_armed = True


def kill9(setting: Setting) -> Iterator[Check]:
    """Kill the daemon between orders, between POST and answer, between the waves, amid buys."""
    with setting.scene() as scene:
        blows = Blows(scene)
        scene.wire.strike = blows.hear
        scene.fall_due()
        _outlived(scene, blows)
        code = scene.ends_well()
        yield from judge(scene.books(), blows.struck, code)


def judge(books: Books, struck: list[str], code: int) -> Iterator[Check]:
    """Judge what both sides wrote."""
    named = "; ".join(struck)
    yield Check(
        "killed", len(struck) == len(INSTANTS), f"killed {len(struck)} times of {len(INSTANTS)}: "
        f"{named}"
    )  # fmt: skip
    yield from whole(books)
    yield Check("end", code == 0, f"ended with {code} on SIGTERM")


def _outlived(scene: Scene, blows: Blows) -> None:
    """Start a new process after each blow, until the run is done."""
    ends_at_s = time.monotonic() + 2 * PATIENCE_S
    while time.monotonic() < ends_at_s:
        if (code := scene.daemon.process.poll()) is not None:
            if code != -signal.SIGKILL:
                raise GoneError(f"the daemon ended with {code}: {scene.daemon.last_word()}")
            scene.say(f"SIGKILL {len(blows.struck)}: {blows.struck[-1]}")
            scene.broker.speed(FAST)
            scene.restart()
            blows.arm()
        elif _is_final(scene):
            scene.say("the run is over")
            return
        time.sleep(LOOK_EVERY_S)
    raise TooLateError(f"no end of the run after {len(blows.struck)} kills")


def _is_final(scene: Scene) -> bool:
    if scene.daemon.process.poll() is not None:
        return False
    try:
        status = scene.daemon.status()
    except GoneError:
        return False  # struck while it was asked
    return bool(status and status["last_run"] and status["last_run"]["is_final"])
