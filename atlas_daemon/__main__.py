"""`python -m atlas_daemon` and the console script `atlasd`."""

import signal
import sys


def main() -> None:
    """Run the command line."""
    if "run" in sys.argv[1:]:
        # An emergency stop that comes while Python still imports must wait, and not kill.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    from atlas_daemon.cli import run

    run()


if __name__ == "__main__":
    main()
