"""One lab for all of these tests, with the program installed in it as deploy/README.md says."""

import compileall
import os
import shutil
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.e2e.processes import Broker, a_broker
from tests.systemd.lab import Lab, booted, why_not
from tests.systemd.machine import PROGRAM, Machine

ROOT = Path(__file__).parents[2]
PYTHON, SITE = Path("/usr/local/lab/python"), Path("/usr/local/lab/site")
CHECKOUT = Path("/usr/local/lab/checkout")
"""Where the lab sees the interpreter, the packages and the checkout of this one."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put these first: among several workers one takes all of them, and boots one lab.

    Each worker begins with a run of neighbours, and others steal from its end.
    """
    here = Path(__file__).parent
    items.sort(key=lambda item: here not in item.path.parents)


@pytest.fixture(scope="package")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    if why := why_not():
        pytest.skip(f"no systemd can be booted: {why}")
    site = Path(sysconfig.get_path("purelib"))
    seen = {Path(sys.base_prefix): PYTHON, site: SITE, ROOT: CHECKOUT}
    with booted(tmp_path_factory.mktemp("systemd"), seen) as lab:
        _install(lab)
        yield lab


def _install(lab: Lab) -> None:
    """Put Python, our dependencies and the package below /opt, where the units expect them.

    Python comes from wherever this one is, often from below /root, which the units cannot see.
    """
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    lab.path("/etc/ld.so.conf.d/00-lab.conf").write_text(f"{PYTHON}/lib\n")
    lab.run("ldconfig")  # its library's place is compiled into it, and is below /root as well
    packages = lab.path(f"/opt/atlas/.venv/lib/{version}/site-packages")
    packages.mkdir(parents=True)
    shutil.copytree(ROOT / "atlas_daemon", packages / "atlas_daemon")
    compileall.compile_dir(packages, quiet=1, stripdir=lab.root, prependdir="/")  # as pip does
    (packages / "site.pth").write_text(f"{SITE}\n")
    lab.path("/opt/atlas/.venv/pyvenv.cfg").write_text(f"home = {PYTHON}/bin\n")
    programs = lab.path("/opt/atlas/.venv/bin")
    programs.mkdir()
    (programs / "python").symlink_to(PYTHON / "bin" / version)
    program = lab.path(PROGRAM)
    program.write_text(
        "#!/opt/atlas/.venv/bin/python\n"
        "import sys\nfrom atlas_daemon.__main__ import main\nsys.exit(main())\n"
    )
    program.chmod(0o755)
    for unit in (ROOT / "atlas.service", *(ROOT / "deploy").glob("*.service")):
        shutil.copy(unit, lab.path("/etc/systemd/system"))
    lab.systemctl("daemon-reload")


@pytest.fixture
def machine(lab: Lab) -> Iterator[Machine]:
    """The lab with nothing configured, and nothing left in it afterwards."""
    machine = Machine(lab)
    lab.forget()
    yield machine
    machine.clean()


@pytest.fixture(scope="session", autouse=True)
def _said_why() -> None:
    """In CI a skip would prove nothing; there it says what is missing, in so many words."""
    if os.environ.get("CI") and (why := why_not()):
        sys.stderr.write(f"tests/systemd: skipped, no systemd can be booted here: {why}\n")


@pytest.fixture(scope="package")
def broker(lab: Lab) -> Iterator[Broker]:
    """A local broker in the lab's network, weeks before a slot, for tests that trade nothing."""
    with ExitStack() as stack:
        with lab.network():  # not longer: the tests that follow in this process need ours
            broker = stack.enter_context(a_broker(at="2026-01-06T10:00:00"))
        yield broker
