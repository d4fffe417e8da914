"""Judgements on the machine: Python and packages, the unit, and whether alerts reach anybody."""

from collections.abc import Iterator

from atlas_daemon.core.findings import Finding, Level

from .asking import NotKnown, Reply, not_known
from .look_machine import DISTRIBUTION, Packages, Unit, unit_of

PYTHON_MIN = (3, 11)


def on_packages(reply: Reply[Packages]) -> Iterator[Finding]:
    """Judge Python and what is installed."""
    if isinstance(reply, NotKnown):
        yield not_known("python", reply)
        return
    seen = reply.value
    if tuple(int(part) for part in seen.python.split(".")[:2]) < PYTHON_MIN:
        text = f"Python {seen.python} is older than {'.'.join(map(str, PYTHON_MIN))}"
        yield Finding("python", Level.RED, text, "install atlas_daemon with a newer Python")
    elif seen.missing == (DISTRIBUTION,):
        text = f"Python {seen.python}; atlas_daemon is not installed, so its needs are not known"
        yield Finding("python", Level.WARN, text, "install it: what it needs comes along")
    elif seen.missing:
        text = f"not installed: {', '.join(seen.missing)}"
        yield Finding("python", Level.RED, text, "install atlas_daemon anew")
    else:
        text = f"Python {seen.python}, {len(seen.versions)} packages as needed"
        yield Finding("python", Level.OK, text)


def on_unit(reply: Reply[Unit], account: str) -> Iterator[Finding]:
    """Judge whether the daemon comes back after a reboot."""
    if isinstance(reply, NotKnown):
        yield not_known("unit", reply)
        return
    seen = reply.value
    if not seen.has_systemd:
        text = "no systemd here: whatever starts the daemon must do so after a reboot too"
        yield Finding("unit", Level.OK, text)
    elif not seen.installed:
        text = "no unit is installed: after a reboot nothing starts the daemon"
        yield Finding("unit", Level.WARN, text, "see deploy/ for the unit and how to install it")
    elif not unit_of(seen.enabled, account):
        text = f"{', '.join(seen.installed)} installed and not enabled: a reboot ends the daemon"
        yield Finding("unit", Level.WARN, text, "`systemctl enable atlas`")
    else:
        yield Finding("unit", Level.OK, f"{', '.join(seen.enabled)} starts with the machine")
