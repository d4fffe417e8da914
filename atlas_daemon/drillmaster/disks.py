"""restore and diskfull: a disk that was lost, and one that takes no more."""

import contextlib
import json
import resource
import shutil
import signal
import subprocess
import tarfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from atlas_daemon.core import events as e

from .books import Books
from .processes import TooLateError, until
from .scene import CannotRunError, Scene, Setting
from .stops import STOP_S_MAX
from .verdicts import Check, books_agree, never_lost, never_twice, whole

WATCHED_S = 90.0
"""Broker seconds in which a restored daemon may do nothing."""
FULL_S = 30.0
"""Broker seconds for which the disk stays full."""
FAULT_S = 20.0
"""Seconds within which the daemon says that its journal cannot be written."""
SIZE_MB = 64
CHUNK = b"\0" * 65_536
NOT_STATE = ("manifest.json", "config.json")
"""Of a backup: about the backup, not of the state."""
FOREIGN = {"symbol": "SPY", "side": "buy", "type": "limit", "limit_price": "1", "qty": "1",
           "time_in_force": "day", "client_order_id": "somebody-else"}  # fmt: skip
"""An order that only a stop of the whole account pulls."""
LIMITED = (
    "RLIMIT_FSIZE 0 on the daemon, as this user may not mount a small disk: each write to a file "
    "is refused (EFBIG)"
)


@dataclass(frozen=True, slots=True)
class Restored:
    """What was seen of a restore."""

    before: Sequence[str]
    """Orders that the broker had when the disk was lost."""
    taken_over: Sequence[str]
    """Orders that `restore --in-place` learned of."""
    again: int
    """Orders that a second restore learned of."""
    posts_before: int


def restore(setting: Setting) -> Iterator[Check]:
    """Back up, trade on, lose the disk, put the backup back, `restore --in-place`: not again."""
    with setting.scene() as scene:
        saved = setting.folder / "saved.tar.gz"
        scene.command("backup", str(saved))
        scene.say(f"backed up, {saved.stat().st_size} bytes")
        scene.fall_due()
        scene.is_done()
        scene.kill()
        before = tuple(str(order["client_order_id"]) for order in scene.broker.orders())
        _put_back(scene.home.state, saved)
        scene.say(f"disk lost after {len(before)} orders; the backup is put back")
        learned = json.loads(scene.command("restore", "--in-place", "--json"))
        again = json.loads(scene.command("restore", "--in-place", "--json"))
        scene.say(f"restore --in-place took over {len(learned['orders_since'])} orders")
        posts = len(scene.wire.passed.posts)
        scene.restart().is_trading()
        scene.later(WATCHED_S)
        scene.ends_well()
        seen = Restored(before, learned["orders_since"], len(again["orders_since"]), posts)
        yield from judge_restored(scene.books(), seen)


def _put_back(state: Path, saved: Path) -> None:
    """Lose the state folder, and lay the backup's files in its place."""
    shutil.rmtree(state)
    state.mkdir(mode=0o700)
    with tarfile.open(saved) as archive:
        members = [each for each in archive.getmembers() if each.name not in NOT_STATE]
        archive.extractall(state, members, filter="data")


def judge_restored(books: Books, seen: Restored) -> Iterator[Check]:
    """Judge what was seen, and what both sides wrote."""
    yield Check(
        "taken over",
        bool(seen.before) and set(seen.taken_over) == set(seen.before) and seen.again == 0,
        f"orders since the backup: {len(seen.before)}, taken over {len(seen.taken_over)}, by a "
        f"second restore {seen.again}",
    )
    later = len(books.posts) - seen.posts_before
    more = len(books.orders) - len(seen.before)
    yield Check(
        "not again", later == 0 and more == 0, f"orders sent after the restore: {max(later, more)}"
    )
    for promise in (never_twice, never_lost, books_agree):
        yield from promise(books)


@dataclass(frozen=True, slots=True)
class SmallDisk:
    """Something that can be made full, and how."""

    state: Path | None
    """Where the state has to be; None where it may be anywhere."""
    fill: Callable[[Scene], None]
    drain: Callable[[Scene], None]
    how: str


@contextmanager
def small_disk(folder: Path) -> Iterator[SmallDisk]:
    """Yield a small file system where this user may mount one, else a limit on file sizes."""
    place = folder / "disk"
    place.mkdir()
    options = f"size={SIZE_MB}m,mode=0700"
    if not _runs("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)):
        yield SmallDisk(None, _limit, _unlimit, LIMITED)
        return
    ballast = place / "ballast"

    def fill(_: Scene) -> None:
        with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
            while file.write(CHUNK):
                pass

    try:
        yield SmallDisk(
            place / "state",
            fill,
            lambda _: ballast.unlink(),
            f"a file system of {SIZE_MB} MB (tmpfs), filled to the last byte",
        )
    finally:
        _runs("umount", "--lazy", str(place))


def _runs(*command: str) -> bool:
    found = shutil.which(command[0])
    if found is None:
        return False
    ran = subprocess.run([found, *command[1:]], capture_output=True, check=False)  # noqa: S603
    return ran.returncode == 0


def _limit(scene: Scene) -> None:
    _set_limit(scene, 0)


def _unlimit(scene: Scene) -> None:
    _set_limit(scene, resource.RLIM_INFINITY)


def _set_limit(scene: Scene, soft: int) -> None:
    """Bound the size of the files that the running daemon writes. Raises CannotRunError."""
    number = scene.daemon.process.pid
    try:
        _, hard = resource.prlimit(number, resource.RLIMIT_FSIZE)
        wanted = hard if soft == resource.RLIM_INFINITY else soft
        resource.prlimit(number, resource.RLIMIT_FSIZE, (wanted, hard))
    except (OSError, ValueError) as error:
        raise CannotRunError(f"no small disk may be mounted, and no limit set: {error}") from error


@dataclass(frozen=True, slots=True)
class Full:
    """What was seen while the disk was full."""

    how: str
    fault: str
    """What the daemon said of its journal."""
    filled: int
    """Executions at the broker meanwhile: the sells are over, and buys would be next."""
    left: int
    """Orders that left."""
    seconds: float
    """From SIGUSR1 to the stop seen complete."""
    open_orders: int
    """At the broker, once the stop said that it was complete."""
    was_durable: bool
    """Whether the stop was said to be durable, which it could not be."""
    is_latched: bool
    """Once the disk had room again."""


def diskfull(setting: Setting) -> Iterator[Check]:
    """Fill the disk amid the sells: no order leaves, a stop still works, then it goes on."""
    with contextlib.ExitStack() as stack:
        disk = stack.enter_context(small_disk(setting.folder))
        scene = stack.enter_context(setting.scene(disk.state))
        sells = scene.ground.sold[:2]
        if not sells:
            raise CannotRunError("no symbol is known that the strategy does not pick")
        for symbol in sells:
            scene.broker.trading(symbol, is_halted=True)
        scene.fall_due()
        scene.rests(*sells)
        disk.fill(scene)
        scene.say(f"the disk is full amid the sells: {disk.how}")
        full = _lived_through(scene, disk, sells)
        scene.resume()
        scene.ends_well()
        yield from judge_full(scene.books(), full)


def _lived_through(scene: Scene, disk: SmallDisk, sells: Sequence[str]) -> Full:
    """Let sells fill, stop, and make room again."""
    posts, filled = len(scene.wire.passed.posts), len(scene.broker.executions())
    if scene.setting.stops_account:
        scene.broker.ask("POST", "/v2/orders", FOREIGN)
    for symbol in sells:  # what they bring would be spent now
        scene.broker.trading(symbol, is_halted=False)
    fault = _fault_of(scene)
    scene.later(FULL_S)
    filled = len(scene.broker.executions()) - filled
    scene.broker.speed(1)
    scene.daemon.send(signal.SIGUSR1)
    seconds = scene.is_halted()
    status = scene.daemon.status() or {}
    full = Full(
        disk.how,
        fault,
        filled,
        len(scene.wire.passed.posts) - posts,
        seconds,
        scene.broker.open_orders(),
        bool(status.get("halt", {}).get("is_durable")),
        is_latched=False,
    )
    scene.say(f"stopped in {seconds:.2f} s with the disk full; {full.left} orders left meanwhile")
    disk.drain(scene)
    scene.daemon.wait_for("durable stop", lambda seen: seen["halt"]["is_durable"])
    until("latch", scene.home.latch.exists)
    scene.say("there is room again, and the stop is on disk")
    scene.has_flattened()
    return replace(full, is_latched=True)


def _fault_of(scene: Scene) -> str:
    """What the daemon says of its journal; empty where it says nothing in time."""
    try:
        status = scene.daemon.wait_for("word", lambda seen: seen["daemon"]["fault"], FAULT_S)
    except TooLateError:
        return ""
    return str(status["daemon"]["fault"]).rpartition(": ")[2]  # without the scratch folder's name


def judge_full(books: Books, full: Full) -> Iterator[Check]:
    """Judge what was seen, and what both sides wrote."""
    yield Check("full", bool(full.fault), f"{full.how}; the daemon says: {full.fault or 'nothing'}")
    yield Check(
        "nothing leaves",
        full.left == 0 and full.filled > 0,
        f"fills that came meanwhile: {full.filled}, orders that left: {full.left}",
    )
    yield Check(
        "stop works",
        full.open_orders == 0 and not full.was_durable and full.seconds <= STOP_S_MAX,
        f"stop seen complete after {full.seconds:.2f} s, orders still open {full.open_orders}, "
        f"said to be durable: {'yes' if full.was_durable else 'no'}",
    )
    halted = len(books.all(e.TradingHalted))
    yield Check(
        "kept",
        full.is_latched and halted == 1,
        f"with room again: latch on, {halted} stop on record",
    )
    yield from whole(books)
