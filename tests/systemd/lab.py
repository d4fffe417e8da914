"""A real systemd as process 1 of namespaces of its own, and what a test can do with it.

Lives here: booting, asking, letting go; what is tested is installed by `conftest`. Needs root, and
a kernel that lets root make namespaces; `why_not` says what is missing.
"""

import contextlib
import ctypes
import json
import os
import pty
import shutil
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BOOT = Path(__file__).with_name("boot.sh")
PROGRAMS = ("bash", "unshare", "nsenter", "setpriv", "systemctl", "journalctl", "systemd-analyze")
BOOT_S = 30.0
PATIENCE_S = 20.0
LOOK_EVERY_S = 0.1
"""A look costs as much of a core as the daemon uses in a second."""
CLONE_NEWNET = 0x40000000


def why_not() -> str:
    """Why no systemd can be booted here; empty where one can."""
    if os.geteuid() != 0:
        return "only root may make namespaces with a systemd in them"
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    if missing or not Path("/lib/systemd/systemd").exists():
        return f"not on this machine: {', '.join(missing) or 'systemd'}"
    every = ["--mount", "--pid", "--fork", "--uts", "--ipc", "--net", "--cgroup"]
    with contextlib.suppress(subprocess.TimeoutExpired):
        done = _run(["unshare", *every, "mount", "-t", "tmpfs", "none", "/mnt"])
        return f"no namespaces here: {done.stderr.strip()}" if done.returncode else ""
    return "no namespaces here: unshare(1) does not answer"


class Lab:
    """The machine within: its files below `root`, its commands through `run`."""

    def __init__(self, process_id: int) -> None:
        self.process_id = process_id
        self.root = Path(f"/proc/{process_id}/root")
        self._cursor = ""

    def path(self, absolute: str) -> Path:
        """A file of the lab, as seen from outside; links that are absolute lead astray."""
        return self.root / absolute.lstrip("/")

    @contextmanager
    def network(self) -> Iterator[None]:
        """For the length of the block this thread, and what it starts, is in the lab's network."""
        with (
            Path("/proc/thread-self/ns/net").open("rb") as ours,
            Path(f"/proc/{self.process_id}/ns/net").open("rb") as theirs,
        ):
            _enter_network(theirs.fileno())
            try:
                yield
            finally:
                _enter_network(ours.fileno())

    def run(self, *words: object, check: bool = True, **more: Any) -> Any:
        """Run a command to its end; AssertionError with its words where it fails."""
        inside = ["nsenter", "--target", str(self.process_id), "--all", "--", *map(str, words)]
        done = _run(inside, **more)
        assert done.returncode == 0 or not check, (
            f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}"
        )
        return done

    def systemctl(self, *words: object, check: bool = True) -> Any:
        return self.run("systemctl", "--no-pager", *words, check=check)

    def show(self, unit: str, *names: str) -> dict[str, str]:
        """Properties of a unit."""
        wanted = [f"--property={name}" for name in names]
        lines = self.systemctl("show", unit, *wanted).stdout.splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)

    def until(
        self, unit: str, is_so: Callable[[dict[str, str]], object], *names: str
    ) -> dict[str, str]:
        """The first properties of which `is_so` holds; AssertionError with the log if none do."""
        ends_at = time.monotonic() + PATIENCE_S
        names = names or ("ActiveState", "SubState", "StatusText", "NRestarts", "Result")
        while not is_so(shown := self.show(unit, *names)):
            if time.monotonic() > ends_at:
                raise AssertionError(f"{unit} is {shown}; its log:\n{self.said(unit)[-4000:]}")
            time.sleep(LOOK_EVERY_S)
        return shown

    def forget(self) -> None:
        """Leave out of the log, from here on, what was said until now."""
        done = self.run("journalctl", "--lines=0", "--show-cursor")
        self._cursor = done.stdout.partition("-- cursor: ")[2].strip()

    def entries(self, **fields: str) -> list[dict[str, Any]]:
        """The log's entries that have these fields, oldest first."""
        entries = [json.loads(line) for line in self._log("json").splitlines()]
        return [entry for entry in entries if fields.items() <= entry.items()]

    def said(self, unit: str) -> str:
        """What a unit and systemd said of it."""
        return self._log("cat", f"--unit={unit}")

    def _log(self, output: str, *matches: str) -> str:
        self.run("journalctl", "--sync")
        # With a match the first entry after the cursor is passed over.
        since = [f"--after-cursor={self._cursor}"] if self._cursor else []
        words = ("--quiet", "--no-pager", f"--output={output}", *since, *matches)
        return str(self.run("journalctl", *words).stdout)


@contextmanager
def booted(folder: Path, seen: Mapping[Path, Path]) -> Iterator[Lab]:
    """Boot a lab that keeps its mounts below `folder`; nothing of it is left afterwards.

    `seen`: folders of this machine, each with its place in the lab.

    It ends with this process, however that ends.
    """
    _sweep()
    place = folder / f"atlas-lab.{os.getpid()}"
    place.mkdir()
    ours, theirs = pty.openpty()
    said: list[bytes] = []
    reader = threading.Thread(target=_read, args=(ours, said), daemon=True)
    reader.start()
    outer = subprocess.Popen(
        [
            *("setpriv", "--pdeathsig", "KILL"),
            *("unshare", "--mount", "--propagation", "private", "--fork", "--kill-child"),
            *("bash", str(BOOT), "groups", str(place), os.ttyname(theirs)),
            *(str(path) for pair in seen.items() for path in pair),
        ],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    try:
        try:
            lab = Lab(_first_process(outer.pid))
            lab.run("systemctl", "is-system-running", "--wait", check=False, timeout=BOOT_S)
        except AssertionError as error:
            raise AssertionError(f"{error}; it said: {b''.join(said).decode()[-2000:]}") from None
        yield lab
    finally:
        outer.kill()
        outer.wait()
        os.close(theirs)
        reader.join(5)
        os.close(ours)
        _remove_group(place.name)
        shutil.rmtree(place)  # its mounts went with their namespace


def _run(words: list[str], **more: Any) -> subprocess.CompletedProcess[str]:
    more = {"timeout": 60, "stdin": subprocess.DEVNULL} | more
    return subprocess.run(words, capture_output=True, text=True, check=False, **more)


def _enter_network(descriptor: int) -> None:
    # os.setns came with Python 3.12.
    if ctypes.CDLL(None, use_errno=True).setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


def _first_process(outer: int) -> int:
    """The outside number of the lab's process 1, once it answers."""
    ends_at = time.monotonic() + BOOT_S
    while time.monotonic() < ends_at:
        process_id = outer
        while children := _children(process_id):
            process_id = children[0]
            with contextlib.suppress(OSError):
                is_systemd = Path(f"/proc/{process_id}/comm").read_text() == "systemd\n"
                if is_systemd and Path(f"/proc/{process_id}/root/run/systemd/private").exists():
                    return process_id
        time.sleep(LOOK_EVERY_S)
    raise AssertionError("no systemd in the lab")


def _children(process_id: int) -> list[int]:
    with contextlib.suppress(OSError):
        text = Path(f"/proc/{process_id}/task/{process_id}/children").read_text()
        return [int(number) for number in text.split()]
    return []


def _read(console: int, said: list[bytes]) -> None:
    with contextlib.suppress(OSError):  # the other end is closed
        while chunk := os.read(console, 4096):
            said.append(chunk)


@contextmanager
def _groups() -> Iterator[Path]:
    """The machine's tree of control groups, mounted for a moment where it is not."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            yield Path(place)
            return
    raise AssertionError("no cgroup2 is mounted")


def _remove_group(name: str) -> None:
    with _groups() as tree:
        ends_at = time.monotonic() + 5
        while (tree / name).is_dir() and time.monotonic() < ends_at:
            for folder in sorted((tree / name).rglob("*/"), reverse=True):
                with contextlib.suppress(OSError):
                    folder.rmdir()
            with contextlib.suppress(OSError):
                (tree / name).rmdir()
            time.sleep(0.01)


def _sweep() -> None:
    """Remove the empty groups of labs whose process was killed."""
    with _groups() as tree:
        for group in tree.glob("atlas-lab.*"):
            if not Path(f"/proc/{group.suffix[1:]}").exists():
                _remove_group(group.name)
