"""`python -m atlas_daemon` and the console script `atlasd`."""

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path


def main() -> int:
    """Run the command line; return the exit code."""
    words = sys.argv[1:]
    _open_closed_streams()
    # A stop that comes while Python still imports must wait for the daemon, and not kill. Any other
    # command ends by it, whatever whoever started it held back for himself.
    how = signal.SIG_BLOCK if "run" in words else signal.SIG_UNBLOCK
    signal.pthread_sigmask(how, {signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP})
    if (config := _plain_run(words)) is not None:
        from atlas_daemon.service import serve

        return serve(Path(config) if config else None)
    from atlas_daemon.cli import run

    run()
    return 0


def _open_closed_streams() -> None:
    """Let what was started with a stream closed (`>&-`) talk to nobody, instead of failing at it.

    The number that was free would be the next file's, and that may be the journal.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            nobody = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 - for good
            setattr(sys, name, nobody)


def _plain_run(words: Sequence[str]) -> str | None:
    """Return the configuration that `run` is given, empty for none; None for anything else.

    The daemon stays for months: it is not to carry what reads the other commands' options. In any
    other spelling (`--config=PATH`) they read this one's too.
    """
    match words:
        case ["run"]:
            return ""
        case ["run", "--config", path] | ["--config", path, "run"] if path and path[0] != "-":
            return path
    return None


if __name__ == "__main__":
    sys.exit(main())
