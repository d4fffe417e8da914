"""One seed gives the same bytes on every Python that the project supports: `make pythons`.

For each version that pyproject.toml names and this machine has: a virtual environment in .pythons
with what the daemon's own process needs (and so without pandas, numpy, pyarrow and the SDK, which
it may not load), the digests of some seeds under three hash seeds, and the tests of core and
journal. Versions that are not here are named, and not compared. Exit 1 where anything differs.

`--quick`, for every change: three seeds, each Python under another hash seed, and no tests.
All of it runs on a copy of the sources, so that an edit meanwhile compares nothing with itself.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / ".pythons"
HEAVY = {"alpaca-py", "asyncio-throttle", "exchange-calendars", "numpy", "pandas", "pyarrow"}
"""What only the child process and the command line load; tests/house holds the daemon to it."""
TESTERS = {"hypothesis", "pytest", "pytest-asyncio", "pytest-timeout"}
HASH_SEEDS = ("0", "1", "random")
SEEDS, SEEDS_QUICK = "10-14", "10-12"
TESTS = (
    "tests/core",
    "tests/journal",
    "tests/edges/alpaca/test_wire.py",
    "tests/fuzz/test_found.py",
)
STEP_S = 600.0
NOT_PASSED_ON = ("COVERAGE_", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE")


@dataclass
class Found:
    """What one Python said."""

    version: str
    path: Path
    digests: dict[str, str] = field(default_factory=dict)
    tests: str = ""
    fault: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Task:
    """What every Python is asked."""

    copy: Path
    needs: list[str]
    seeds: str
    hash_seeds: tuple[str, ...]
    is_quick: bool


class StepError(Exception):
    """A command that failed, with the end of what it said."""


def main() -> int:
    """Compare every Python found with this one; return the exit code."""
    parser = argparse.ArgumentParser(prog=".ci/pythons.py", description=__doc__)
    parser.add_argument("--seeds", help=f"seeds to compare, by default {SEEDS}")
    parser.add_argument("--quick", action="store_true", help="fewer seeds, and no tests")
    asked = parser.parse_args()
    seeds = asked.seeds or (SEEDS_QUICK if asked.quick else SEEDS)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    needs = _needs(project)
    found, missing = [], []
    for version in _versions(project):
        path = _find(version)
        if path is None:
            missing.append(version)
        else:
            found.append(Found(version, path))
    with tempfile.TemporaryDirectory() as copy, ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        _copy_sources(Path(copy))
        asks = []
        for number, each in enumerate(found):
            one = (HASH_SEEDS[number % len(HASH_SEEDS)],)
            task = Task(Path(copy), needs, seeds, one if asked.quick else HASH_SEEDS, asked.quick)
            asks.append(pool.submit(_ask, each, task))
        for ask in asks:
            ask.result()
    return _report(found, missing, seeds)


def _copy_sources(copy: Path) -> None:
    for name in ("atlas_daemon", "tests"):
        left_out = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, copy / name, ignore=left_out)
    for path in (*ROOT.glob("*.md"), *ROOT.glob("*.toml"), ROOT / "Makefile"):
        shutil.copy(path, copy)


def _report(found: list[Found], missing: list[str], seeds: str) -> int:
    told = {digests for each in found for digests in each.digests.values()}
    is_good = len(told) == 1 and not any(each.fault for each in found)
    for each in found:
        count = len(next(iter(each.digests.values()), "").split())
        text = each.fault or (
            f"{count} seeds under {len(each.digests)} hash seeds; {each.tests or 'no tests'}"
        )
        _say(f"pythons: {each.version} ({each.path}): {text} [{each.seconds:.0f} s]")
    for version in missing:
        _say(f"pythons: {version}: NOT FOUND on this machine, not compared")
    if len(told) > 1:
        _say(f"pythons: seeds {seeds} do NOT give the same bytes everywhere:")
        for each in found:
            for hash_seed, digests in each.digests.items():
                words = " ".join(digest[:12] for digest in digests.split())
                _say(f"pythons:   {each.version} PYTHONHASHSEED={hash_seed}: {words}")
    elif is_good:
        names = ", ".join(each.version for each in found)
        _say(f"pythons: the same bytes for seeds {seeds} on {names}")
    return 0 if is_good else 1


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


def _versions(project: dict) -> list[str]:
    words = project["project"]["classifiers"]
    return [text.rsplit(" ", 1)[1] for text in words if re.search(r":: 3\.\d+$", text)]


def _needs(project: dict) -> list[str]:
    """What the daemon needs and what its tests need, as pyproject.toml words it."""
    dev = project["dependency-groups"]["dev"]
    return [text for text in project["project"]["dependencies"] if _name(text) not in HEAVY] + [
        text for text in dev if _name(text) in TESTERS
    ]


def _name(requirement: str) -> str:
    return re.split(r"[^A-Za-z0-9_.-]", requirement)[0]


def _find(version: str) -> Path | None:
    """Return a Python of this version: this one, one on the path, uv's, or one of pyenv's."""
    candidates = [Path(sys.executable)]
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    candidates += sorted(pyenv.glob(f"{version}.*/bin/python"), reverse=True)
    on_path = shutil.which(f"python{version}")
    candidates += [Path(on_path)] if on_path else []
    if shutil.which("uv"):
        asked = ["uv", "python", "find", "--no-python-downloads", version]
        answer = _done(asked)
        candidates += [Path(answer.stdout.strip())] if answer.returncode == 0 else []
    question = "import sys; print('%d.%d' % sys.version_info[:2])"
    for path in candidates:
        told = _done([path, "-c", question])
        if told.returncode == 0 and told.stdout.strip() == version:
            return path
    return None


def _ask(each: Found, task: Task) -> None:
    began_s = time.monotonic()
    try:
        python = _environment(each, task.needs)
        for hash_seed in task.hash_seeds:
            command = [python, "-m", "tests.simulation", "--seeds", task.seeds, "--digest"]
            each.digests[hash_seed] = _run(command, task.copy, PYTHONHASHSEED=hash_seed)
        if not task.is_quick:
            plain = ["-p", "no:cacheprovider", "-p", "no:xdist"]
            said = _run([python, "-m", "pytest", *plain, *TESTS], task.copy)
            each.tests = said.strip().splitlines()[-1].strip("= ")
    except StepError as error:
        each.fault = f"FAILED: {error}"
    each.seconds = time.monotonic() - began_s


def _environment(each: Found, needs: list[str]) -> Path:
    """Make the version's environment where it is not there as it should be; return its Python."""
    folder = FOLDER / each.version
    python, stamp = folder / "bin" / "python", folder / ".installed"
    wanted = hashlib.sha256("\n".join((str(each.path), *needs)).encode()).hexdigest()
    if stamp.exists() and stamp.read_text("utf-8") == wanted:
        return python
    shutil.rmtree(folder, ignore_errors=True)
    if shutil.which("uv"):
        _run(["uv", "venv", "--quiet", "--python", each.path, folder])
        _run(["uv", "pip", "install", "--quiet", "--python", python, *needs])
    else:
        _run([each.path, "-m", "venv", folder])
        quiet = ["--quiet", "--disable-pip-version-check"]
        _run([python, "-m", "pip", "install", *quiet, *needs])
    stamp.write_text(wanted, "utf-8")
    return python


def _run(command: list, folder: Path = ROOT, **variables: str) -> str:
    """Run a command in `folder`; return what it printed. Raises StepError."""
    words = [str(word) for word in command]
    try:
        done = _done(words, folder, variables)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StepError(str(error)) from error
    if done.returncode:
        tail = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
        raise StepError(f"{' '.join(words[:6])} ended with {done.returncode}:\n{tail}")
    return done.stdout


def _done(
    command: list, folder: Path = ROOT, variables: Mapping[str, str] = MappingProxyType({})
) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(NOT_PASSED_ON)}
    return subprocess.run(  # noqa: S603 - interpreters that were looked for, and our own tests
        command,
        cwd=folder,
        env={**kept, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=STEP_S,
    )


if __name__ == "__main__":
    sys.exit(main())
