"""Brings foreign clients, documents and prices into `.conformance/`, once; none is committed.

Each lands in a folder of its own that is made beside and then moved there whole, under a lock, so
that several test processes may ask at the same time. What cannot be had is said in one line.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".conformance"
NEEDS = Path(__file__).parent / "needs"
STEP_S = 300.0
NODE_MAJOR_MIN = 20
ERROR = re.compile(r"(npm )?error", re.IGNORECASE)
"""How the line begins that says what was wrong, with either installer."""
NOT_PASSED_ON = ("COVERAGE_", "PYTHONPATH", "PYTHONWARNINGS")


class NotHereError(Exception):
    """A client that this machine cannot run or install; the text is one line that says why."""


def documents() -> Path:
    """Return the folder with trading-api.json and market-data-api.json. Raises NotHereError."""
    needs = NEEDS / "documents.txt"
    folder = made("documents", [needs], lambda to: _pip(needs, "--target", str(to)))
    return folder / "alpaca_mcp_server" / "specs"


def prices() -> Path:
    """Return the folder with skfolio's sp500_dataset.csv.gz and sp500_index.csv.gz.

    Raises NotHereError.
    """
    needs = NEEDS / "skfolio.txt"
    folder = made("skfolio", [needs], lambda to: _pip(needs, "--target", str(to)))
    return folder / "skfolio" / "datasets" / "data"


def old_python() -> Path:
    """Return the Python of the old client's own virtual environment. Raises NotHereError."""
    needs = NEEDS / "old_client.txt"
    return made("old_client", [needs], lambda to: _environment(to, needs)) / "bin" / "python"


def node_modules() -> Path:
    """Return the folder whose node_modules has the TypeScript client. Raises NotHereError."""
    needs = [NEEDS / "node" / "package.json", NEEDS / "node" / "package-lock.json"]

    def make(to: Path) -> None:
        for path in needs:
            shutil.copy(path, to)
        quiet = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        _run([_program("npm"), "ci", *quiet], to)

    node()
    return made("node", needs, make)


def node() -> str:
    """Return the path of a Node that the TypeScript client can run on. Raises NotHereError."""
    path = _program("node")
    version = _run([path, "--version"], ROOT).strip()
    if int(version.removeprefix("v").split(".")[0]) < NODE_MAJOR_MIN:
        raise NotHereError(f"node {NODE_MAJOR_MIN} or newer is needed, this is {version}")
    return path


def environ() -> dict[str, str]:
    """Return this process's environment without what would follow a foreign program."""
    return {k: v for k, v in os.environ.items() if not k.startswith(NOT_PASSED_ON)}


def made(name: str, needs: list[Path], make: Callable[[Path], None]) -> Path:
    """Make the folder `name` where it is not there as `needs` want it; return it.

    Raises what `make` raises, and then leaves nothing behind.
    """
    wanted = _digest(needs)
    folder = FOLDER / name
    FOLDER.mkdir(exist_ok=True)
    with (FOLDER / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = FOLDER / f"{name}.stamp"
        if stamp.exists() and stamp.read_text("utf-8") == wanted and folder.is_dir():
            return folder
        stamp.unlink(missing_ok=True)
        shutil.rmtree(folder, ignore_errors=True)
        fresh = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=FOLDER))
        try:
            make(fresh)
            fresh.rename(folder)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        stamp.write_text(wanted, "utf-8")
    return folder


def _digest(needs: list[Path]) -> str:
    """Of everything that a folder's content depends on, this file and the interpreter included."""
    parts = [path.read_bytes() for path in (*needs, Path(__file__))]
    return hashlib.sha256(b"\0".join([*parts, sys.executable.encode()])).hexdigest()


def _environment(to: Path, needs: Path) -> None:
    """A virtual environment that sees the project's packages behind its own."""
    _run([sys.executable, "-m", "venv", "--without-pip", str(to)], ROOT)
    (packages,) = to.glob("lib/python3*/site-packages")
    _pip(needs, "--target", str(packages))
    behind = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "zz_project.pth").write_text("".join(f"{path}\n" for path in behind), "utf-8")


def _pip(needs: Path, *where: str) -> None:
    """Install exactly what the file lists, and nothing that it asks for."""
    asked = ["install", "--quiet", "--no-deps", *where, "--requirement", str(needs)]
    if shutil.which("uv"):
        _run(["uv", "pip", *asked, "--python", sys.executable], ROOT)
    else:
        alone = ["--disable-pip-version-check", "--no-warn-conflicts"]
        _run([sys.executable, "-m", "pip", *asked, *alone], ROOT)


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NotHereError(f"{name} is not installed")
    return path


def _run(command: list[str], folder: Path) -> str:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environ(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=STEP_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotHereError(f"{Path(command[0]).name}: {error}") from error
    if done.returncode:
        lines = (done.stderr + done.stdout).strip().splitlines() or ["no word"]
        errors = [line for line in lines if ERROR.match(line)]
        words = " ".join(Path(word).name for word in command[:4])
        said = (errors or lines[-1:])[0][:300]
        raise NotHereError(f"{words} ended with {done.returncode}: {said}")
    return done.stdout
