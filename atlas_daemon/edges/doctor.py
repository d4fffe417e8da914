"""The doctor from outside: a child process, `atlasd doctor --json`, with a deadline.

What it looks at, and with what, cannot touch the daemon: it gets the daemon's keys and folders by
its environment, reads only, and is killed with all it started where it does not end.
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from atlas_daemon.core.errors import AtlasError, ConfigError
from atlas_daemon.core.findings import Finding, Level
from atlas_daemon.edges.child import ChildError, run_child

DEADLINE_S = 90.0
"""It ends by itself within 60 s."""
REPLY_MAX = 4 * 1024 * 1024
"""Bytes: its report holds today's whole plan."""
REASON_MAX = 300
FINDINGS_MAX = 200
TEXT_MAX = 2000
"""Characters of a finding that are kept: each goes to the journal."""
KEPT_VARIABLES = frozenset(
    {
        *("PATH", "HOME", "LANG", "TZDIR", "VIRTUAL_ENV", "LD_LIBRARY_PATH"),
        *("CREDENTIALS_DIRECTORY", "STATE_DIRECTORY", "LOGS_DIRECTORY", "RUNTIME_DIRECTORY"),
        *("PYTHONDONTWRITEBYTECODE", "TMPDIR"),
    }
)
KEPT_PREFIXES = ("ALPACA_", "ATLAS_")


class DoctorError(AtlasError):
    """The doctor ended without a report."""


class Report(msgspec.Struct):
    """What is read of the child's answer."""

    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class ChildDoctor:
    """Asks `python -m atlas_daemon doctor --json`."""

    config_path: Path | None
    """The file that the daemon was started with."""
    broker_url: str = ""
    """A local broker's address, where the configuration may not name it."""
    environ: Mapping[str, str] | None = None
    deadline_s: float = DEADLINE_S

    async def examine(self, reason: str) -> tuple[Finding, ...]:
        """Return what was found. Raises DoctorError where the child hangs, dies or talks rubbish.

        A configuration that it cannot load is a finding: the next start would fail on it.
        """
        given = () if self.config_path is None else ("--config", str(self.config_path))
        command = (sys.executable, "-P", "-m", "atlas_daemon", "doctor", "--json", *given)
        try:
            ended = await run_child(
                command, self._environ(), deadline_s=self.deadline_s, reply_max=REPLY_MAX
            )
        except ChildError as error:
            raise DoctorError(f"the doctor: {error}") from None
        return read_report(ended.out, ended.complaints, ended.code)

    def _environ(self) -> dict[str, str]:
        source = self.environ if self.environ is not None else os.environ
        environ = {
            name: value
            for name, value in source.items()
            if name in KEPT_VARIABLES or name.startswith(KEPT_PREFIXES)
        }
        environ["OPENBLAS_NUM_THREADS"] = "1"
        if self.broker_url:
            environ["ATLAS_BROKER__TRADING_URL"] = self.broker_url
        return environ


def read_report(out: bytes, complaints: bytes, code: int) -> tuple[Finding, ...]:
    """Return the findings in a child's output. Raises DoctorError where there are none."""
    last = complaints.decode(errors="replace").strip().splitlines()[-1:]
    words = " ".join(last)[:REASON_MAX].removeprefix("atlasd: ")
    try:
        report = msgspec.json.decode(out, type=Report)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        if code == ConfigError.exit_code and words:
            text = f"the configuration cannot be loaded any more: {words}"
            return (Finding("config", Level.RED, text, "the next start would fail: mend it"),)
        raise DoctorError(f"the doctor ended with {code}: {words}") from None
    if not report.findings:  # he looks at a dozen things: this one looked at none
        raise DoctorError(f"the doctor ended with {code} and found nothing at all: {words}")
    if len(report.findings) > FINDINGS_MAX:
        raise DoctorError(f"the doctor told {len(report.findings)} findings")
    return tuple(
        Finding(
            finding.check[:TEXT_MAX],
            finding.level,
            finding.text[:TEXT_MAX],
            finding.advice[:TEXT_MAX],
        )
        for finding in report.findings
    )
