"""The certificate while the daemon runs: looked at once a beat, told where something new is so.

Read where the file changed or the configuration did; judged by the clock at each beat, so that an
expiry and a clock that was set back show by themselves. In paper and local there is none to watch.
"""

import os
from collections.abc import Iterator
from datetime import datetime, timedelta

from atlas_daemon.config import Settings
from atlas_daemon.core.events import CertificateReported
from atlas_daemon.core.values import AccountMode

from .certificate import (
    CLOCK,
    Bearer,
    Certificate,
    UnfitError,
    bearer_of,
    certificate_path,
    judged,
    opened,
)

TELLS_AGAIN = timedelta(seconds=5)
"""How long what was told may wait for its turn."""

Stamp = tuple[int, int, int, int]
"""A file's place on the disk, its size, and when bytes and anything about it last changed."""


class CertificateWatch:
    """Watches the live account's certificate on behalf of the process that holds its keys."""

    def __init__(self, settings: Settings, secret: str, code: str | None = None) -> None:
        self._secret, self._code = secret, code
        self._told: tuple[CertificateReported | None, datetime | None] = (None, None)
        self.follow(settings)

    def follow(self, settings: Settings) -> None:
        """Measure by another configuration from the next look on."""
        self._is_needed = settings.mode is AccountMode.LIVE
        self._path = certificate_path(settings)
        self._bearer = bearer_of(settings, self._secret, self._code) if self._is_needed else None
        self._stamp: Stamp | None = None
        self._found: Certificate | UnfitError | None = None

    def look(
        self, now: datetime, known: CertificateReported | None
    ) -> Iterator[CertificateReported]:
        """Yield what is to be told where it is another thing than `known`, what the core has."""
        bearer = self._bearer
        if bearer is None:
            return
        report = self._report(bearer, now)
        if known is not None and _is_the_same(report, known):
            return
        told, told_at = self._told
        is_said = told == report and told_at is not None
        if is_said and timedelta(0) <= now - (told_at or now) < TELLS_AGAIN:
            return  # it waits for its turn
        self._told = report, now
        yield report

    def _report(self, bearer: Bearer, now: datetime) -> CertificateReported:
        stamp = self._stamp_now()
        if self._found is None or stamp is None or stamp != self._stamp:
            try:
                self._found = opened(self._path, bearer)
            except UnfitError as error:
                self._found = error
            self._stamp = stamp
        if isinstance(self._found, UnfitError):
            return CertificateReported("", None, str(self._found))
        return judged(self._found, bearer, now)

    def _stamp_now(self) -> Stamp | None:
        try:
            found = os.lstat(self._path)
        except OSError:  # not there, or not to be seen: opening it says which
            return None
        return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _is_the_same(report: CertificateReported, known: CertificateReported) -> bool:
    if (report.certificate_id, report.expires_at) != (known.certificate_id, known.expires_at):
        return False
    # A clock that was set back says another time at each beat.
    is_clock = report.problem.startswith(CLOCK) and known.problem.startswith(CLOCK)
    return is_clock or report.problem == known.problem
