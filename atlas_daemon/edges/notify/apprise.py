"""Everything that Apprise can reach: a child process for each message, with a deadline.

The package is large, blocks, and knows a hundred services; in a process of its own it costs the
daemon nothing while nothing is told, and a service that hangs cannot hang the daemon. The address,
which is a secret, goes by the child's standard input and comes back in nothing.
"""

import asyncio
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from .notice import Letter, Severity
from .webhook import Delivered, Later, Never, Verdict

DEADLINE_S = 60.0
LIMIT = 3000
KEPT_VARIABLES = ("PATH", "HOME", "LANG", "TZDIR", "VIRTUAL_ENV", "SSL_CERT_FILE", "SSL_CERT_DIR")
KINDS = {
    Severity.INFO: "info",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "failure",
}
"""Apprise's own words for how urgent a message is."""

COMMAND = ("-P", "-m", "atlas_daemon.edges.notify.apprise")
TOLD, SAID_NO, NO_ADDRESS, NOT_INSTALLED = 0, 10, 11, 12
"""How the child ends."""


class Question(msgspec.Struct):
    """What the child is asked for."""

    url: str
    title: str
    body: str
    kind: str


@dataclass(frozen=True, slots=True)
class Apprise:
    """A channel through Apprise."""

    url: str
    environ: Mapping[str, str] | None = None
    deadline_s: float = DEADLINE_S
    name: str = "apprise"
    limit: int = LIMIT

    async def deliver(self, letter: Letter) -> Verdict:
        """Have one message told by a child process."""
        source = self.environ if self.environ is not None else os.environ
        environ = {name: source[name] for name in KEPT_VARIABLES if name in source}
        question = Question(self.url, letter.title, letter.whole, KINDS[letter.severity])
        try:
            child = await asyncio.create_subprocess_exec(
                sys.executable,
                *COMMAND,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.DEVNULL,
                stderr=asyncio.subprocess.DEVNULL,
                env=environ,
            )
        except OSError as error:
            return Later(f"the child did not start: {error.strerror}")
        try:
            async with asyncio.timeout(self.deadline_s):
                await child.communicate(msgspec.json.encode(question))
        except TimeoutError:
            return Later(f"no answer within {self.deadline_s:.0f} s")
        finally:
            if child.returncode is None:
                child.kill()
                await child.wait()
        return verdict_of(child.returncode or 0)


def verdict_of(code: int) -> Verdict:
    """Return what the child's end means."""
    if code == TOLD:
        return Delivered()
    if code == NO_ADDRESS:
        return Never("notify.apprise_url is no address that Apprise knows")
    if code == NOT_INSTALLED:
        return Never("Apprise is not installed: pip install 'atlas-daemon[notify]'")
    if code == SAID_NO:
        return Later("the service did not take it")
    return Later(f"the child ended with {code}")


def main() -> int:
    """Be the child: tell one message, and say by the exit code what became of it."""
    question = msgspec.json.decode(sys.stdin.buffer.read(), type=Question)
    try:
        import apprise
    except ImportError:
        return NOT_INSTALLED
    reach = apprise.Apprise()
    if not reach.add(question.url):
        return NO_ADDRESS
    is_told = reach.notify(body=question.body, title=question.title, notify_type=question.kind)
    return TOLD if is_told else SAID_NO


if __name__ == "__main__":
    sys.exit(main())
