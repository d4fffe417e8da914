"""deploy/README.md, typed as it stands: from a machine without Atlas to one without it again.

Two programs are not the real ones: `apt-get`, as the lab has no way out, and `pip`, for the same
reason; `python3 -m venv` makes the environment that the lab's other tests use.
"""

import re
from collections.abc import Iterator

import pytest

from tests.systemd.conftest import CHECKOUT, ROOT
from tests.systemd.machine import KEY_ID, SECRET, UNIT, Machine

pytestmark = pytest.mark.e2e

STAND_INS = {
    "apt-get": 'case "$*" in update|"install -y python3-venv") ;; *) exit 1;; esac',
    "python3": 'test "$*" = "-m venv /opt/atlas/.venv" && cp -a /opt/kept/.venv /opt/atlas/',
    "pip": 'test "$*" = "install ." && test -f pyproject.toml',
}
NEVER_TYPED = {"Several accounts", "When it fails", "Harden it further"}
"""Sections without anything to type."""


def _sections() -> dict[str, str]:
    """The README's blocks of shell, by their heading."""
    text = (ROOT / "deploy" / "README.md").read_text("utf-8")
    sections = dict(part.split("\n", 1) for part in text.split("\n## ")[1:])
    blocks = {
        name: "".join(re.findall(r"```sh\n(.*?)```", body, re.S)) for name, body in sections.items()
    }
    assert {name for name, typed in blocks.items() if not typed} == NEVER_TYPED
    return blocks


@pytest.fixture
def bare(machine: Machine) -> Iterator[Machine]:
    """The lab without Atlas."""
    lab = machine.lab
    lab.run("sh", "-c", "mv /opt/atlas /opt/kept; rm /etc/systemd/system/atlas*")
    for name, does in STAND_INS.items():
        place = lab.path(f"/opt/kept/.venv/bin/{name}" if name == "pip" else f"/usr/bin/lab/{name}")
        place.parent.mkdir(exist_ok=True)
        place.write_text(f"#!/bin/sh\n{does}\n")
        place.chmod(0o755)
    yield machine
    machine.clean()
    lab.run(
        "sh",
        "-c",
        f"rm -rf /opt/atlas /usr/bin/lab /usr/local/bin/atlasd /etc/systemd/system/atlas*; "
        f"mv /opt/kept /opt/atlas; cp {CHECKOUT}/atlas.service {CHECKOUT}/deploy/*.service "
        "/etc/systemd/system/; systemctl daemon-reload",
    )


def test_the_install_notes_work_as_they_are_typed(bare: Machine) -> None:
    typed, lab = _sections(), bare.lab

    def type_(section: str, answers: str = "") -> str:
        path = "PATH=/usr/bin/lab:/usr/local/bin:/usr/bin:/bin"
        script = f"set -eu; cd {CHECKOUT}; {typed.pop(section)}"
        return str(lab.run("env", path, "bash", "-c", script, input=answers, stdin=None).stdout)

    type_("Install", f"{KEY_ID}\n{SECRET}\n")
    assert "paper LARGE" in type_("See that it works")
    assert lab.path("/etc/atlas/credentials/large_key").stat().st_mode & 0o777 == 0o600
    assert lab.systemctl("is-enabled", UNIT).stdout == "enabled\n"
    first = bare.process()
    type_("Change the configuration")
    type_("Stop all trading")
    lab.until(UNIT, lambda p: p["StatusText"].startswith("halted"))
    type_("Keep the keys encrypted")
    assert KEY_ID not in lab.path("/etc/atlas/credentials/large_key").read_text()
    lab.until(UNIT, lambda p: p["StatusText"].startswith("halted; paper LARGE"))
    second = bare.process()
    type_("Upgrade")
    type_("Roll back")
    assert len({first, second, bare.process()}) == 3
    lab.until(UNIT, lambda p: p["StatusText"].startswith("halted; paper LARGE"))
    assert lab.path("/var/lib/atlas-before.tar.gz").exists()
    type_("Remove it")
    assert typed.keys() == NEVER_TYPED
    assert not lab.path("/opt/atlas").exists()
    assert lab.systemctl("show", UNIT, "--property=LoadState").stdout == "LoadState=not-found\n"
    assert lab.path("/var/lib/private/atlas/journal.db").exists(), "the record stays"
