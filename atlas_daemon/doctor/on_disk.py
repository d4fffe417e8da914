"""Judgements on folders and files: may a turn be written, is there room, who reads the keys."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from atlas_daemon.core.findings import Finding, Level

from .asking import Known, NotKnown, Reply
from .look_disk import Modes, Room

MIB = 1024 * 1024
FREE_RED, FREE_WARN = 50 * MIB, 500 * MIB
"""Bytes. A year of journal and logs needs some tens of MiB; a run must never find the disk full."""
FILES_RED, FILES_WARN = 200, 2000
OTHERS_READ, OTHERS_WRITE = 0o044, 0o022


def on_folder(
    check: str, folder: Path, written: Reply[None], room: Reply[Room]
) -> Iterator[Finding]:
    """Judge a folder that the daemon writes to."""
    if isinstance(written, NotKnown) and isinstance(written.error, FileNotFoundError):
        yield Finding(
            check, Level.WARN, f"{folder} is not there: the daemon's first start makes it"
        )
        return
    if isinstance(written, NotKnown):
        text = f"{folder} takes no file: {written.why}"
        yield Finding(check, Level.RED, text, "free the disk: an unwritten order is never sent")
        return
    if isinstance(room, NotKnown):
        yield Finding(check, Level.WARN, f"{folder}: room not known: {room.why}")
        return
    left, files = room.value.free_bytes, room.value.free_files
    said = f"{folder}: written and synced, {left // MIB} MiB are free"
    if files is not None:
        said += f", {files} files"
    level = Level.OK
    if left < FREE_WARN or (files is not None and files < FILES_WARN):
        level = Level.WARN
    if left < FREE_RED or (files is not None and files < FILES_RED):
        level = Level.RED
    yield Finding(check, level, said, "" if level is Level.OK else "make room on this disk")


def on_modes(
    secrets: Sequence[Reply[Modes | None]], folders: Sequence[Reply[Modes | None]]
) -> Iterator[Finding]:
    """Judge who else may read the files with keys, or write to what the daemon believes."""
    open_ones: list[str] = []
    fixes: list[str] = []
    strange: list[str] = []
    for replies, bits, what, fix in (
        (secrets, OTHERS_READ | OTHERS_WRITE, "others may read it", "chmod 600"),
        (folders, OTHERS_WRITE, "others may write to it", "chmod go-w"),
    ):
        for reply in replies:
            if isinstance(reply, NotKnown):
                strange.append(reply.why)
            elif (modes := reply.value) is not None and modes.bits & bits:
                open_ones.append(f"{modes.path} ({modes.bits:04o}): {what}")
                fixes.append(f"`{fix} {modes.path}`")
    if open_ones:
        yield Finding("files", Level.RED, "; ".join(open_ones), ", ".join(fixes))
    elif strange:
        yield Finding("files", Level.WARN, f"not known: {strange[0]}")
    else:
        count = sum(isinstance(r, Known) and r.value is not None for r in (*secrets, *folders))
        yield Finding("files", Level.OK, f"{count} looked at, none open to others")
