"""`python -m bench.timed_daemon CONFIG`: the daemon over a journal that notes when it is durable.

Only the journal's connection is another one: it notes when each COMMIT returned. At the end it says
the moments of the fills on standard output, by execution id.
"""

import asyncio
import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from atlas_daemon.app import run_daemon
from atlas_daemon.assembly import World
from atlas_daemon.cli.options import settings_for
from atlas_daemon.config import load_credentials

committed_ns: dict[str, int] = {}


class TimedConnection(sqlite3.Connection):
    """Notes the executions of a transaction with the moment its COMMIT returned."""

    _pending: tuple[str, ...] = ()

    def executemany(self, sql: str, rows: Iterable[Any], /) -> sqlite3.Cursor:
        """Remember which executions are about to be written."""
        rows = list(rows)
        fills = [json.loads(row[4]) for row in rows if row[3] == "FillBooked"]
        self._pending = tuple(fill["execution_id"] for fill in fills)
        return super().executemany(sql, rows)

    def execute(self, sql: str, *more: Any) -> sqlite3.Cursor:
        """Note the moment after a COMMIT: WAL and synchronous=FULL have fsynced by then."""
        cursor = super().execute(sql, *more)
        if sql == "COMMIT":
            now_ns = time.monotonic_ns()
            committed_ns.update(dict.fromkeys(self._pending, now_ns))
            self._pending = ()
        return cursor


def connect(*words: Any, **more: Any) -> sqlite3.Connection:
    """Open as sqlite3 does, with a connection that notes."""
    return sqlite3.connect(*words, **more, factory=TimedConnection)


def main(config: Path) -> None:
    """Run until SIGTERM."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    settings = settings_for(config)
    credentials = load_credentials(settings, os.environ)
    asyncio.run(run_daemon(settings, credentials, World(connect=connect, console=False)))
    print(json.dumps(committed_ns))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
