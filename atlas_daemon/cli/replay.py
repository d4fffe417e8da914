"""`atlasd replay`: history through the live path, and a report of what became of the account."""

import json
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    day_of_option,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.cli.paper_setup import amount_of
from atlas_daemon.config import Settings
from atlas_daemon.core.errors import AtlasError, UsageError
from atlas_daemon.core.values import Regime

if TYPE_CHECKING:
    from atlas_daemon.core.brain import SignalsRequest
    from atlas_daemon.replay.director import Cast

CASH = "100000"
FILE = "file:"
ACCOUNT = "REPLAY"
IDLE_LOOK_S = 561_600
"""Six days and a half: while nothing is open the daemon compares its books once a week."""
SEED_MAX = 2**31
SOCKET_FOLDER_MAX = 90
"""Bytes of the folder's path that leave room for the socket's name (unix(7): 107 in all)."""


FromOption = Annotated[
    str | None, typer.Option("--from", help="First day (YYYY-MM-DD); else a year into the data.")
]
ToOption = Annotated[str | None, typer.Option("--to", help="Last day; else the last of the data.")]
DataOption = Annotated[
    str | None, typer.Option("--data", help="file:PATH of daily bars; else data.source.")
]
BenchmarkOption = Annotated[
    str | None,
    typer.Option("--benchmark", help="file:PATH of older bars of SPY, for the regime model."),
]
UniverseOption = Annotated[
    str | None,
    typer.Option("--universe", help="A name, all, symbols with commas, or file:members.csv."),
]
TopOption = Annotated[int | None, typer.Option("--top-n", help="How many lines.", min=1)]
RegimeOption = Annotated[str | None, typer.Option("--regime", help="Take this regime throughout.")]
CashOption = Annotated[str, typer.Option("--cash", help="Dollars at the start.")]
SeedOption = Annotated[
    int, typer.Option("--seed", help="Of the prices within a day.", min=0, max=SEED_MAX)
]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="A new folder for journal, logs and report.")
]
PageOption = Annotated[Path | None, typer.Option("--html", help="Write the page here too.")]
PictureOption = Annotated[Path | None, typer.Option("--png", help="Draw the curves here.")]


@plain_errors
def replay(
    first: FromOption = None,
    last: ToOption = None,
    data: DataOption = None,
    benchmark: BenchmarkOption = None,
    universe: UniverseOption = None,
    top_n: TopOption = None,
    regime: RegimeOption = None,
    cash: CashOption = CASH,
    seed: SeedOption = 1,
    out: OutOption = None,
    html: PageOption = None,
    png: PictureOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Replay history through the live path: same core, adapters, local broker, journal and logs.

    Exit 0 where every slot was traded, 1 where one was missed or is left open.
    """
    from atlas_daemon.replay import picture
    from atlas_daemon.replay.director import Wanted
    from atlas_daemon.replay.director import replay as play

    if png is not None:
        picture.refuse_undrawable(png)
    wanted = Wanted(
        first=None if first is None else day_of_option("--from", first),
        last=None if last is None else day_of_option("--to", last),
        cash=_cash(cash),
        seed=seed,
        benchmark=_file("--benchmark", benchmark),
    )
    if wanted.first and wanted.last and wanted.first > wanted.last:
        raise UsageError(f"--from {wanted.first} is after --to {wanted.last}")
    asked = {
        "data.source": None if data is None else f"{FILE}{_file('--data', data)}",
        "strategy.universe": universe,
        "strategy.top_n": top_n,
        "regime.source": None if regime is None else f"fixed:{_regime(regime)}",
    }
    folder = _folder(out, wanted.first, wanted.last)
    own = _own(folder)
    settings = settings_for(config, {**asked, **own})
    with _progress(is_shown=not as_json) as progress:
        document = play(settings, wanted, _cast(), progress)
    _write(folder / "atlas.toml", _configuration(own, settings))
    pages = [folder / "report.html", *([html] if html is not None else [])]
    _write(folder / "report.json", json.dumps(document, indent=1) + "\n")
    from atlas_daemon.replay.page import page_of

    for path in pages:
        _write(path, page_of(document))
    if png is not None and picture.is_drawable():
        picture.draw(png, document)
    if as_json:
        typer.echo(json.dumps(document))
    else:
        from atlas_daemon.cli.replay_view import print_replay

        print_replay(document, label_of(settings), folder, pages[-1], png)
    if png is not None and not picture.is_drawable():
        raise AtlasError(picture.MISSING)
    if document["missed"] or any(not run["is_final"] for run in document["runs"]):
        raise typer.Exit(1)


def _own(folder: Path) -> dict[str, object]:
    """Return what is the replay's own, whatever the user's configuration says.

    Account and places; nobody is told; an idle account is compared less often.
    """
    return {
        "account.mode": "local",
        "account.name": ACCOUNT,
        "account.number": "",
        "broker.trading_url": "",
        "broker.stream_url": "",
        "broker.data_url": "",
        "paths.state_dir": str(folder / "state"),
        "paths.log_dir": str(folder / "logs"),
        "paths.runtime_dir": str(_socket_folder(folder)),
        "reconcile.idle_every_s": IDLE_LOOK_S,
        "dashboard.port": 0,
        "notify.webhook_url": "",
        "notify.apprise_url": "",
        "notify.healthcheck_url": "",
        "notify.daily": False,
    }


def _configuration(own: Mapping[str, object], settings: Settings) -> str:
    """Return the atlas.toml by which the other commands read what the replay leaves."""
    kept = {**own, "data.source": settings.data.source}
    lines = [f"{name} = {json.dumps(value)}" for name, value in kept.items() if value != ""]
    return "\n".join(["# atlasd --config THIS_FILE status: what the replay left", *lines, ""])


def _cast() -> "Cast":
    from atlas_daemon import worker
    from atlas_daemon.cli.staged import player_with
    from atlas_daemon.rehearsal.question import signals_request
    from atlas_daemon.replay.brain import Thinking
    from atlas_daemon.replay.director import Cast

    def question(
        settings: Settings, day: date, held: tuple[str, ...], at: datetime
    ) -> "SignalsRequest":
        return signals_request(settings, day, held, at, keeps_labels=True)

    def thinking(at_hand: Callable[..., Any]) -> Thinking:
        given: dict[str, Any] = {"environment": {}, "at_hand": at_hand}
        return Thinking(
            decide=partial(worker.decide, **given),
            regime_alone=partial(worker.regime_alone, **given),
            regime_track=partial(worker.regime_track, **given),
        )

    return Cast(question=question, thinking=thinking, player_with=player_with)


@contextmanager
def _progress(*, is_shown: bool) -> Iterator[Callable[[date, int, int], None]]:
    """Show how far the replay is, on the error stream."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(
        *columns, console=console, transient=True, disable=not is_shown or not console.is_terminal
    ) as bar:
        task = bar.add_task("reading the bars", total=None)

        def tell(day: date, number: int, total: int) -> None:
            bar.update(task, description=str(day), completed=number, total=total)

        yield tell


def _file(option: str, text: str | None) -> Path | None:
    if text is None:
        return None
    if not text.startswith(FILE) or text == FILE:
        raise UsageError(f"{option} {text}: must be file:PATH")
    return Path(text.removeprefix(FILE)).expanduser()


def _cash(text: str) -> Decimal:
    cash = amount_of("--cash", text)
    if cash <= 0:
        raise UsageError(f"--cash {text}: must be above 0")
    return cash


def _regime(text: str) -> Regime:
    if text not in set(Regime):
        raise UsageError(f"--regime: {text!r} is none of {', '.join(Regime)}")
    return Regime(text)


def _folder(out: Path | None, first: date | None, last: date | None) -> Path:
    """Return the folder of this replay. Raises UsageError for one that something is in."""
    if out is not None:
        if out.exists() and (not out.is_dir() or any(out.iterdir())):
            raise UsageError(f"--out {out}: is not empty; a replay begins in a folder of its own")
        return out.absolute()
    stem = "_".join(str(day) for day in (first, last) if day is not None) or "all"
    folder = Path.cwd() / "replays" / stem
    number = 1
    while folder.exists():
        number += 1
        folder = folder.with_name(f"{stem}-{number}")
    return folder


def _socket_folder(folder: Path) -> Path:
    """Return where the control socket would be: a replay opens none, but its path has a limit."""
    inside = folder / "run"
    if len(str(inside).encode()) <= SOCKET_FOLDER_MAX:
        return inside
    return Path(tempfile.gettempdir()) / f"atlas-replay-{os.getuid()}"


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise AtlasError(f"{path}: cannot be written: {error.strerror}") from error
