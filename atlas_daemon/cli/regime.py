"""`atlasd regime`: what the regime source says, what it rests on, and what it said before."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
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
from atlas_daemon.cli.reading import now_of
from atlas_daemon.config import Settings
from atlas_daemon.config.credentials import load_credentials
from atlas_daemon.core.brain import KEY_VARIABLES, SignalsError
from atlas_daemon.core.errors import ConfigError, UsageError
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import AccountMode, Regime

if TYPE_CHECKING:
    from atlas_daemon.strategy.regime import Track

MODEL = "jump_model"
FEED_DELAY = timedelta(minutes=16)
"""So long after its close a session's bars can be had."""
HISTORY_DAYS = 2 * 365
"""What a history shows where nobody says from when."""

regime = typer.Typer(
    invoke_without_command=True,
    rich_markup_mode=None,
    help="Show the regime of the last session, and what it rests on.",
)

DateOption = Annotated[
    str | None,
    typer.Option("--date", help="As of the last session up to this day (YYYY-MM-DD)."),
]


@dataclass(frozen=True, slots=True)
class Told:
    """What the model says of every session up to one."""

    day: date
    track: "Track"
    notes: tuple[str, ...]


@regime.callback()
@plain_errors
def show(
    context: typer.Context,
    date_: DateOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the regime of the last session, and what it rests on.

    Label, features, thresholds, centroids, margin, since when. Exit 1 where it cannot be known.
    """
    if context.invoked_subcommand is not None:
        return
    settings = settings_for(config)
    day = _session("--date", date_, settings)
    from atlas_daemon.cli import regime_view

    if settings.regime.source == MODEL:
        told = _told(settings, day, os.environ, "--date", is_newest=date_ is None)
        document = reading_document(settings, told)
    else:
        document = source_document(settings, day)
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        regime_view.print_reading(document, label_of(settings))


@regime.command()
@plain_errors
def history(
    from_: Annotated[
        str | None, typer.Option("--from", help="First day shown; else two years before the last.")
    ] = None,
    to: Annotated[str | None, typer.Option("--to", help="Last day shown; else the newest.")] = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Each session's own label, not the confirmed one.")
    ] = False,
    png: Annotated[
        Path | None, typer.Option("--png", help="Draw a picture into this file (needs matplotlib).")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show the regimes of the past: a row for each change with its length, and a plot.

    Each label rests on nothing later than its session's close.
    """
    settings = settings_for(config)
    if settings.regime.source != MODEL:
        raise UsageError(
            f"regime.source is {settings.regime.source}: only {MODEL} has a history of its own"
        )
    last = _session("--to", to, settings)
    first = last - timedelta(days=HISTORY_DAYS) if from_ is None else day_of_option("--from", from_)
    if first > last:
        raise UsageError(f"--from {first} is after --to {last}")
    from atlas_daemon.cli import regime_picture, regime_view

    if png is not None:
        regime_picture.refuse_undrawable(png)
    told = _told(settings, last, os.environ, "--to", is_newest=to is None)
    document = history_document(settings, told, first, is_raw=raw)
    if png is not None:
        regime_picture.draw(png, document)
    if as_json:
        typer.echo(json.dumps(document, ensure_ascii=False))
    else:
        regime_view.print_history(document, label_of(settings))
        if png is not None:
            typer.echo(f"Picture  {png}")


@regime.command(name="set")
@plain_errors
def set_(
    name: Annotated[str, typer.Argument(metavar="REGIME", help=", ".join(Regime))],
    account: Annotated[
        str | None, typer.Option("--account", help="The account's name, in live.")
    ] = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Tell the running daemon the regime of this moment.

    CRASH stops buys at once and goes to cash by `regime.react`. A lower word stands until the
    source speaks of a session that began after it; a rebalance always asks it too.
    """
    from atlas_daemon.cli.desk import confirmed_account, who
    from atlas_daemon.control import ask

    wanted = name.upper()
    if wanted not in set(Regime):
        raise UsageError(f"REGIME: {name!r} is none of {', '.join(Regime)}")
    settings = settings_for(config)
    given = settings.account.name
    if settings.mode is AccountMode.LIVE:
        given = confirmed_account(settings, account, f"set the regime to {wanted}")
    path = settings.control_socket_path
    done = ask(path, "regime", by=who(), account=given, regime=wanted)
    if as_json:
        typer.echo(json.dumps(done, indent=2))
        return
    run = f"; run {done['run']} begins" if done["run"] else ""
    typer.echo(f"{label_of(settings)}  the regime is {done['regime']} as of {done['as_of']}{run}")


def reading_document(settings: Settings, told: Told) -> dict[str, Any]:
    """Return all that is known of the regime of one session, for people and for programs."""
    from atlas_daemon.rehearsal.question import regime_model
    from atlas_daemon.strategy import regime as model
    from atlas_daemon.strategy.regime_source import read_reading

    settings_model = regime_model(settings)
    reading = read_reading(told.track, told.day, settings_model)
    row, fit = reading.row, reading.refit.fit
    values = (row.downside, row.sortino_20, row.sortino_60)
    z_scores = (reading.verdict.downside_z, reading.verdict.sortino_z, None)
    features = [
        {
            "name": label,
            "value": _places(value),
            "z": None if z is None else _places(z),
            "bull": _places(fit.mean[at] + fit.deviation[at] * fit.bull[at]),
            "bear": _places(fit.mean[at] + fit.deviation[at] * fit.bear[at]),
        }
        for at, (label, value, z) in enumerate(zip(FEATURES, values, z_scores, strict=True))
    ]
    return {
        "source": MODEL,
        "as_of": told.day.isoformat(),
        "regime": reading.regime.value,
        "raw": _since(reading.raw, reading.raw_since, reading.raw_sessions),
        "confirmed": {
            **_since(reading.confirmed, reading.confirmed_since, reading.confirmed_sessions),
            "needs_sessions": settings.regime.confirm_sessions,
        },
        "state": "bear" if reading.verdict.is_bear else "bull",
        "by_vix": reading.verdict.by_vix,
        "margin": _places(reading.verdict.margin),
        "margin_rank": _places(reading.rank),
        "features": features,
        "thresholds": {
            "crash_downside_z": model.CRASH_DOWNSIDE_Z,
            "crash_sortino_z": model.CRASH_SORTINO_Z,
            "bull_sortino_z": model.BULL_SORTINO_Z,
        },
        "fit": {
            "day": reading.refit.day.isoformat(),
            "sessions": settings_model.lookback,
            "refits": _refits(settings_model.window),
        },
        "mode": settings_model.mode,
        "lambda": float(settings_model.penalty),
        "window": {"sessions": reading.window_sessions, "wanted": settings_model.window},
        "notes": list(told.notes),
    }


FEATURES = ("downside deviation (10)", "Sortino (20)", "Sortino (60)")


def source_document(settings: Settings, day: date) -> dict[str, Any]:
    """Return what a fixed regime or a file says. Raises SignalsError."""
    from atlas_daemon.strategy.regime_file import fixed_regime, read_regime

    kind, _, argument = settings.regime.source.partition(":")
    told = fixed_regime(argument, day) if kind == "fixed" else read_regime(Path(argument))
    notes = []
    if told.as_of < day:
        notes.append(f"it is of {told.as_of}, older than the session {day}")
    return {
        "source": settings.regime.source,
        "as_of": told.as_of.isoformat(),
        "regime": told.regime.value,
        "notes": notes,
    }


def history_document(
    settings: Settings, told: Told, first: date, *, is_raw: bool
) -> dict[str, Any]:
    """Return the labels from `first` on: each session's, and the changes."""
    from atlas_daemon.strategy import regime as model

    raws = model.raw_labels(told.track)
    confirm = 1 if is_raw else settings.regime.confirm_sessions
    labels = [each for each in model.confirmed_labels(raws, confirm) if each[0] >= first]
    if not labels:
        since = f"the first label is of {raws[0][0]}" if raws else "too few bars for a first label"
        raise SignalsError(f"no session was judged between {first} and {told.day}: {since}")
    index = model.growth(told.track)
    return {
        "kind": "raw" if is_raw else "confirmed",
        "from": labels[0][0].isoformat(),
        "to": labels[-1][0].isoformat(),
        "changes": [
            {
                "regime": each.regime.value,
                "first": each.first.isoformat(),
                "last": each.last.isoformat(),
                "sessions": each.sessions,
                "change": _places(index[each.last] / index[each.first] - 1),
            }
            for each in model.stretches(labels)
        ],
        "sessions": [
            {"day": day.isoformat(), "regime": label.value, "index": _places(index[day])}
            for day, label in labels
        ],
        "notes": list(told.notes),
    }


def _told(
    settings: Settings, day: date, environ: Mapping[str, str], option: str, *, is_newest: bool
) -> Told:
    """Ask the model, in this process; `option` is what names another day. Raises AtlasError."""
    from atlas_daemon.rehearsal.question import signals_request
    from atlas_daemon.worker import regime_track

    keys: dict[str, str] = {}
    if settings.data.source == "alpaca":
        if settings.mode is AccountMode.LOCAL and not settings.broker.data_url:
            raise ConfigError(
                "data.source = alpaca in local mode, and no broker is configured: set "
                'data.source = "file:PATH" (parquet or csv of daily bars)'
            )
        found = load_credentials(settings, environ)
        keys = dict(zip(KEY_VARIABLES, (found.key_id, found.secret), strict=True))
    request = signals_request(settings, day, (), datetime.now(UTC))
    try:
        return Told(day, *regime_track(request, keys))
    except SignalsError as error:
        if is_newest:
            raise SignalsError(f"{error} (give {option} for an earlier day)", error.kind) from error
        raise


def _session(option: str, text: str | None, settings: Settings) -> date:
    """Return the last session up to a day whose bars can be had; UsageError for a later day."""
    newest = NYSE.last_completed(now_of(settings) - FEED_DELAY).day
    if text is None:
        return newest
    day = day_of_option(option, text)
    session = day if NYSE.is_session(day) else NYSE.session_before(day).day
    if session > newest:
        raise UsageError(f"{option}: the session of {session} is not over; newest is {newest}")
    return session


def _since(label: Regime, first: date, sessions: int) -> dict[str, Any]:
    return {"regime": label.value, "since": first.isoformat(), "sessions": sessions}


def _refits(window: int | None) -> str:
    if window is None:
        return "every 126 sessions"
    return "on the first session of January and July"


def _places(number: float) -> float:
    """Six places: what is shown is the same whatever the last bit of a sum."""
    return round(number, 6)
