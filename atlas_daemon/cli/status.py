"""`atlasd status`: what is true now, from the daemon, or from its journal where none runs."""

import json
import time
from collections.abc import Callable
from typing import Annotated

import typer

from atlas_daemon.cli.options import ConfigOption, JsonOption, plain_errors, settings_for
from atlas_daemon.cli.reading import Answer, ask_or_read
from atlas_daemon.cli.status_text import status_text
from atlas_daemon.config import Settings
from atlas_daemon.core.errors import UsageError
from atlas_daemon.core.views import status_of

WATCH_S = 2.0


@plain_errors
def status(
    watch: Annotated[bool, typer.Option("--watch", help="Show it live until Ctrl-C.")] = False,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show account, regime, positions, performance, the last rebalance and what is under way."""
    if watch and as_json:
        raise UsageError("--watch and --json do not go together")
    settings = settings_for(config)
    if watch:
        show_live(lambda: text_of(settings), time.sleep)
    elif as_json:
        answer = read_status(settings)
        is_running = not answer.note
        typer.echo(json.dumps({"is_running": is_running, **answer.view}, indent=2))
    else:
        typer.echo(text_of(settings), nl=False)


def text_of(settings: Settings) -> str:
    """Return the status as text."""
    answer = read_status(settings)
    return status_text(answer.view, answer.note)


def read_status(settings: Settings) -> Answer:
    """Return the status view. What the journal cannot say is taken from configuration and latch."""
    answer = ask_or_read(settings, "status", status_of)
    view = answer.view
    if answer.note:
        account = view["account"]
        if account["mode"] is None:
            account |= {"name": settings.account.name, "mode": settings.account.mode}
            view["label"] = f"[{settings.account.mode.upper()}]"
        view["daemon"] |= {"mode": "not running", "reason": answer.note}
        view["daemon"]["why_not_ready"] = answer.note
        if view["halt"] is None and settings.latch_path.exists():
            view["halt"] = {
                "by": "latch file",
                "reason": f"{settings.latch_path} is there",
                "at": None,
                "age_s": None,
                "is_complete": False,
                "is_durable": True,
                "open_orders": len(view["orders"]),
                "unconfirmed": len(view["orders"]),
                "suspend_trade": "",
                "flatten": None,
            }
    return answer


def show_live(text: Callable[[], str], sleep: Callable[[float], None]) -> None:
    """Show `text` anew every `WATCH_S` seconds until it is interrupted."""
    from rich.live import Live
    from rich.text import Text

    try:
        with Live(Text(text()), auto_refresh=False) as live:
            while True:
                sleep(WATCH_S)
                live.update(Text(text()), refresh=True)
    except KeyboardInterrupt:
        return
