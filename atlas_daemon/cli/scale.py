"""`atlasd scale`: how much of normal sizes real money is used for."""

import json
from decimal import Decimal, InvalidOperation
from typing import Annotated, Any

import typer

from atlas_daemon.cli.desk import AccountOption, confirmed_account, who
from atlas_daemon.cli.options import (
    ConfigOption,
    JsonOption,
    label_of,
    plain_errors,
    settings_for,
)
from atlas_daemon.cli.reading import ask_or_read
from atlas_daemon.config import Settings
from atlas_daemon.control import NoDaemonError, ask
from atlas_daemon.control.messages import FRACTION_DIGITS, is_short
from atlas_daemon.core.errors import AtlasError, RefusedError, UsageError
from atlas_daemon.core.ramp_view import ramp_of
from atlas_daemon.core.scale import spelled
from atlas_daemon.core.values import AccountMode

ScaleArgument = Annotated[
    str | None, typer.Argument(help="The new scale: 0.5 or 50%. Without one it is only shown.")
]


@plain_errors
def scale(
    to: ScaleArgument = None,
    account: AccountOption = None,
    as_json: JsonOption = False,
    config: ConfigOption = None,
) -> None:
    """Show or change the part of normal sizes that live trading deploys.

    Lowered at any time between two runs, raised after 30 clean sessions. The next rebalance goes by
    it. Asks for the account's name. Exit 3 where a rule refuses.
    """
    wanted = None if to is None else read_scale(to)
    settings = settings_for(config)
    if settings.mode is not AccountMode.LIVE:
        raise RefusedError(f"mode: {label_of(settings)} has no scale: sizes are always normal")
    if wanted is None:
        _show(settings, as_json)
        return
    name = confirmed_account(settings, account, f"change the scale to {spelled(wanted)}")
    try:
        done = ask(
            settings.control_socket_path, "scale", by=who(), account=name, scale=f"{wanted:f}"
        )
    except NoDaemonError:
        raise AtlasError(
            "no daemon runs, so nothing can be put on record: start it with `atlasd run`"
        ) from None
    if as_json:
        typer.echo(json.dumps(done, indent=2))
        return
    was, now = Decimal(done["was"]), Decimal(done["scale"])
    word = "raised" if now > was else "lowered"
    typer.echo(
        f"{label_of(settings)}  scale {word} from {spelled(was)} to {spelled(now)}: it counts "
        "from the next rebalance (a slot, or `atlasd rebalance --force`)"
    )


def read_scale(text: str) -> Decimal:
    """Return `0.5` or `50%` as a fraction. Raises UsageError for what is none in (0, 1]."""
    said = text.strip()
    try:
        value = Decimal(said[:-1]) / 100 if said.endswith("%") else Decimal(said)
    except InvalidOperation:
        value = Decimal("NaN")
    if not (value.is_finite() and 0 < value <= 1):
        raise UsageError(f"SCALE: {text!r} is not above 0 and at most 1 (or 100%)")
    if not is_short(value):
        raise UsageError(f"SCALE: {text!r} has more than {FRACTION_DIGITS} digits after the point")
    return value


def _show(settings: Settings, as_json: bool) -> None:
    def view_of(state: Any, policy: Any, now: Any) -> Any:
        return {"ramp": ramp_of(state, policy)}

    answer = ask_or_read(settings, "status", view_of)
    ramp = answer.view["ramp"]
    if as_json:
        typer.echo(json.dumps(ramp, indent=2))
        return
    if answer.note:
        typer.echo(f"{label_of(settings)}  {answer.note}")
    typer.echo(f"{label_of(settings)}  scale {spelled(Decimal(ramp['scale']))} of normal sizes")
    since = f" since {ramp['clean_since'][:10]}" if ramp["clean_since"] else ""
    why = f" ({ramp['clean_since_what']})" if ramp["clean_since_what"] else ""
    typer.echo(
        f"{label_of(settings)}  {ramp['clean_days']} of {ramp['clean_days_needed']} clean sessions"
        f"{since}{why}"
    )
