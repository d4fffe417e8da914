"""`atlasd alert`: one message over whatever is configured, for the day when no daemon can send it.

Also a way to see that the configured address works.
"""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from atlas_daemon.cli.options import ConfigOption, label_of, plain_errors, settings_for
from atlas_daemon.config import Settings
from atlas_daemon.core.errors import AtlasError

if TYPE_CHECKING:
    from atlas_daemon.edges.notify import Channel

TRIES_S = (0.0, 2.0, 10.0)
ABOUT = "atlasd alert"


@plain_errors
def alert(
    text: Annotated[str, typer.Argument(help="What to say.")],
    config: ConfigOption = None,
) -> None:
    """Send one critical message to the configured addresses. Exit 1 where one does not take it."""
    from atlas_daemon.teller import channels_of

    settings = settings_for(config)
    channels = channels_of(settings, lambda: datetime.now(UTC))
    if not channels:
        raise AtlasError(f"nobody is told: neither notify address is set; the text was: {text}")
    failed = asyncio.run(_send(settings, channels, text))
    if failed:
        raise AtlasError("; ".join(failed))
    typer.echo(f"{label_of(settings)}  told over {', '.join(each.name for each in channels)}")


async def _send(settings: Settings, channels: "Sequence[Channel]", text: str) -> list[str]:
    """Return what went wrong, a line for each channel that did not take it."""
    return [why for channel in channels if (why := await _deliver(settings, channel, text))]


async def _deliver(settings: Settings, channel: "Channel", text: str) -> str:
    from atlas_daemon.edges.notify import Delivered, Later, Notice, Severity
    from atlas_daemon.edges.notify.letters import write

    notice = Notice(0, datetime.now(UTC), Severity.CRITICAL, ABOUT, text)
    letter = write((notice,), label=label_of(settings), head="-", limit=channel.limit)
    why = ""
    for delay_s in TRIES_S:
        await asyncio.sleep(delay_s)
        match await channel.deliver(letter):
            case Delivered():
                return ""
            case Later(why=why):
                pass
            case never:
                why = never.why
                break
    return f"{channel.name} did not take it: {why}"
