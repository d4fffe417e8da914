"""A child process is bounded in time and in bytes, and it ends with all it started."""

import os
import select
import sys
import time

import pytest

from atlas_daemon.edges.child import ChildError, run_child

PATIENCE_S = 30.0


async def ran(program: str, *, question: bytes = b"", deadline_s: float = PATIENCE_S):
    return await run_child(
        (sys.executable, "-c", program),
        {},
        question=question,
        deadline_s=deadline_s,
        reply_max=1024 * 1024,
    )


@pytest.mark.asyncio
async def test_what_it_writes_and_how_it_ends_is_returned():
    program = "import sys; print(sys.stdin.read()); print('oh', file=sys.stderr); sys.exit(3)"
    ended = await ran(program, question=b"who?")
    assert (ended.out, ended.complaints, ended.code) == (b"who?\n", b"oh\n", 3)


@pytest.mark.asyncio
async def test_a_question_that_nobody_reads_hinders_nothing():
    ended = await ran("print('done')", question=b"x" * 10_000_000)
    assert (ended.out, ended.code) == (b"done\n", 0)


@pytest.mark.asyncio
@pytest.mark.parametrize("stream", ["stdout", "stderr"])
async def test_one_that_babbles_is_ended_though_its_pipe_is_full(stream):
    began = time.monotonic()
    with pytest.raises(ChildError, match="wrote over"):
        await ran(f"import sys\nwhile True: sys.{stream}.write('x' * 65536)")
    assert time.monotonic() - began < PATIENCE_S


@pytest.mark.asyncio
async def test_one_that_is_killed_is_killed_with_what_it_started(tmp_path):
    told = tmp_path / "pid"
    program = (
        "import os, subprocess, sys, time\n"
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)'])\n"
        f"open({str(tmp_path / 'new')!r}, 'w').write(str(child.pid))\n"
        f"os.rename({str(tmp_path / 'new')!r}, {str(told)!r})\n"
        "while True: sys.stdout.write('x' * 65536)"
    )
    with pytest.raises(ChildError, match="wrote over"):
        await ran(program)
    assert _ends(int(told.read_text()))


def _ends(pid: int) -> bool:
    """Return whether a process ends, after a while at most."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], PATIENCE_S)[0])
    finally:
        os.close(handle)


@pytest.mark.asyncio
async def test_one_that_cannot_start_is_told():
    with pytest.raises(ChildError, match="did not start"):
        await run_child((os.devnull,), {}, deadline_s=1.0, reply_max=1)
