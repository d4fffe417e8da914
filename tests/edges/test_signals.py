"""Signals of real processes: held back before the handlers and after them, lost at no moment."""

import signal
import subprocess
import sys
import textwrap

import pytest

BEGIN = """
    import asyncio, os, select, signal, sys, threading
    from atlas_daemon.edges.signals import Signals, hold_signals, signals_held

    USR1, TERM = signal.SIGUSR1, signal.SIGTERM
    said = []
    me = os.getpid()
"""
END = """
    print(*said, "|", *sorted(signal.Signals(n).name for n in signals_held()))
"""


def run(body: str) -> tuple[int, str]:
    """Run a process of its own that does this; return its exit code and what it said."""
    script = textwrap.dedent(BEGIN) + textwrap.dedent(body) + textwrap.dedent(END)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=30
    )
    assert done.stderr == ""
    return done.returncode, done.stdout.strip()


def test_what_came_before_the_handlers_is_taken_by_them() -> None:
    body = """
    async def main():
        signals = Signals()
        signals.take({USR1: lambda: said.append("stop"), TERM: lambda: said.append("end")})
        await asyncio.sleep(0.01)
        await signals.close()

    hold_signals()
    os.kill(me, USR1)
    os.kill(me, TERM)
    asyncio.run(main())
    said.sort()
    """
    assert run(body) == (0, "end stop |")


def test_what_comes_after_the_handlers_neither_kills_nor_gets_lost() -> None:
    body = """
    async def main():
        signals = Signals()
        signals.take({USR1: lambda: said.append("stop"), TERM: lambda: said.append("end")})
        await signals.close()
        os.kill(me, TERM)

    hold_signals()
    asyncio.run(main())
    os.kill(me, USR1)
    """
    assert run(body) == (0, "| SIGTERM SIGUSR1")


def test_what_was_caught_as_the_handlers_leave_is_still_taken() -> None:
    body = """
    async def main():
        signals = Signals()
        signals.take({USR1: lambda: said.append("stop")})
        os.kill(me, USR1)
        await signals.close()

    hold_signals()
    asyncio.run(main())
    """
    assert run(body) == (0, "stop |")


def test_a_thread_that_holds_nothing_back_takes_note_for_the_end() -> None:
    body = """
    async def main():
        signals = Signals()
        signals.take({USR1: lambda: None})
        done = threading.Event()
        thread = threading.Thread(target=done.wait)
        thread.start()
        await signals.close()
        signal.pthread_kill(thread.ident, USR1)
        done.set()
        thread.join()

    hold_signals()
    asyncio.run(main())
    """
    assert run(body) == (0, "| SIGUSR1")


@pytest.mark.parametrize("turn", range(4))
def test_what_a_thread_catches_in_any_turn_of_the_leaving_is_taken_or_noted(turn: int) -> None:
    body = f"""
    async def main():
        signals = Signals()
        signals.take({{USR1: lambda: said.append("stop")}})
        done = threading.Event()
        thread = threading.Thread(target=done.wait)
        thread.start()
        turns = 0

        def catch():
            signal.pthread_kill(thread.ident, USR1)
            select.select([asyncio.get_running_loop()._ssock], [], [])  # until it is caught

        async def sleep(seconds):
            nonlocal turns
            if turns == {turn}:
                catch()
            turns += 1
            await real(seconds)
            if turns == {turn} == 3:
                catch()

        real, asyncio.sleep = asyncio.sleep, sleep
        await signals.close()
        asyncio.sleep = real
        said.append("left")
        done.set()
        thread.join()
        await asyncio.sleep(0.01)

    hold_signals()
    asyncio.run(main())
    left = said.index("left")
    said[:] = ["kept" if "stop" in said[:left] or USR1 in signals_held() else "lost"]
    """
    code, told = run(body)
    assert code == 0
    assert told.startswith("kept"), told


def test_whoever_held_nothing_back_gets_his_signals_as_he_had_them() -> None:
    body = """
    async def main():
        signals = Signals()
        signals.take({USR1: lambda: said.append("stop")})
        await signals.close()

    asyncio.run(main())
    said.append(signal.getsignal(USR1).name)
    said.append(USR1 in signal.pthread_sigmask(signal.SIG_BLOCK, ()))
    """
    assert run(body) == (0, "SIG_DFL False |")


@pytest.mark.parametrize("words", [["--version"], ["paper", "--list-scenarios"]])
def test_a_command_that_is_no_daemon_ends_by_what_its_parent_held_back(words: list[str]) -> None:
    """A child of the daemon can be ended, though the daemon held signals back as it started it."""
    script = (
        "import signal, sys; from unittest import mock; import atlas_daemon.cli as cli\n"
        "from atlas_daemon.__main__ import main\n"
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGUSR1})\n"
        f"sys.argv = ['atlasd', *{words}]\n"
        "with mock.patch.object(cli, 'run'):\n"
        "    main()\n"
        "print(len(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == "0\n"


def test_the_daemon_holds_them_back_from_its_first_line_on() -> None:
    script = (
        "import signal, sys; from unittest import mock; import atlas_daemon.cli as cli\n"
        "from atlas_daemon.__main__ import main\n"
        "sys.argv = ['atlasd', '--config', 'x', 'run']\n"
        "with mock.patch.object(cli, 'run'):\n"
        "    main()\n"
        "print(*sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    held = {signal.SIGUSR1, signal.SIGTERM, signal.SIGINT, signal.SIGHUP}
    assert done.stdout.split() == [str(int(number)) for number in sorted(held)]
