"""Which world an account lives in: mode, broker's addresses and key must name the same one.

Lives here: the addresses of each mode, and the refusals where two of them disagree, so that paper
settings cannot reach a live account or the reverse. May not live here: credentials themselves,
the broker's answer about the account's number.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import AccountMode

from .definitions import KEYS
from .sources import DEFAULT, Found, refused

TRADING = "broker.trading_url"
STREAM = "broker.stream_url"
DATA = "broker.data_url"

_TRADING_OF = {
    AccountMode.PAPER: "https://paper-api.alpaca.markets",
    AccountMode.LIVE: "https://api.alpaca.markets",
}
_STREAM_OF = {
    AccountMode.PAPER: "wss://paper-api.alpaca.markets/stream",
    AccountMode.LIVE: "wss://api.alpaca.markets/stream",
}
_DATA_URL = "https://data.alpaca.markets"
_KEY_PREFIX_OF = {AccountMode.PAPER: "PK", AccountMode.LIVE: "AK"}
_LOOPBACK = r"(127(\.[0-9]{1,3}){3}|localhost|\[::1\])(:(?P<port>[0-9]{1,5}))?"
_LAST_PORT = 65_535


def with_endpoints(found: Mapping[str, Found]) -> dict[str, Found]:
    """Return `found` with the broker's addresses filled in from the mode.

    In local mode without `broker.trading_url` they stay empty: a local broker is yet to be started.
    Raises ConfigError where an address belongs to another mode.
    """
    mode = AccountMode(found["account.mode"].value)
    trading, stream, data = (_bare(found[name]) for name in (TRADING, STREAM, DATA))
    if mode is AccountMode.LOCAL:
        return {**found, **_local_endpoints(trading, stream, data, found["account.mode"].origin)}
    wanted = {TRADING: _TRADING_OF[mode], STREAM: _STREAM_OF[mode], DATA: _DATA_URL}
    filled = {}
    for name, given in {TRADING: trading, STREAM: stream, DATA: data}.items():
        if given.value and given.value != wanted[name]:
            because = f'because account.mode = "{mode}" ({found["account.mode"].origin})'
            raise refused(KEYS[name], given.value, f"{wanted[name]}, {because}", given.origin)
        filled[name] = _follows(given, wanted[name], "account.mode")
    return {**found, **filled}


def trading_url_of(mode: AccountMode, given: str, cwd: Path) -> str:
    """Return the address to trade at in a mode; ConfigError where `given` is of another world."""
    found = {name: Found("", DEFAULT, cwd) for name in (STREAM, DATA)}
    found[TRADING] = Found(given, "as given", cwd)
    found["account.mode"] = Found(mode, "as given", cwd)
    if not (url := str(with_endpoints(found)[TRADING].value)):
        raise ConfigError(f'{TRADING} is needed where account.mode = "{mode}"')
    return url


def check_key(mode: AccountMode, key_id: str, named: str, mode_origin: str) -> None:
    """Refuse a key of another world. `named` says where the key was found. Raises ConfigError."""
    live = _KEY_PREFIX_OF[AccountMode.LIVE]
    if mode is AccountMode.LOCAL and key_id.startswith(live):
        raise ConfigError(
            f'{named} begins with {live}: a live key, and account.mode = "local" ({mode_origin}) '
            "would show it to whoever listens on this machine"
        )
    prefix = _KEY_PREFIX_OF.get(mode)
    if prefix is not None and not key_id.startswith(prefix):
        # Two letters tell paper from live and give nothing of the key away.
        raise ConfigError(
            f'{named} begins with {key_id[:2]}, but account.mode = "{mode}" ({mode_origin}) '
            f"needs a key that begins with {prefix} (PK is a paper key, AK a live one)"
        )


def _local_endpoints(
    trading: Found, stream: Found, data: Found, mode_origin: str
) -> dict[str, Found]:
    because = f'because account.mode = "local" ({mode_origin})'
    for name, given, scheme, path in (
        (TRADING, trading, "http", ""),
        (STREAM, stream, "ws", "(/[^?#]*)?"),
        (DATA, data, "http", ""),
    ):
        match = re.fullmatch(rf"{scheme}://{_LOOPBACK}{path}", given.value)
        if given.value and (match is None or int(match["port"] or 0) > _LAST_PORT):
            allowed = f"{scheme}://127.0.0.1:PORT (this machine only), {because}"
            raise refused(KEYS[name], given.value, allowed, given.origin)
        if given.value and not trading.value:
            raise refused(KEYS[name], given.value, f"empty while {TRADING} is", given.origin)
    if not trading.value:
        return {}
    socket = trading.value.replace("http://", "ws://", 1) + "/stream"
    return {
        TRADING: trading,
        STREAM: _follows(stream, socket, TRADING),
        DATA: _follows(data, trading.value, TRADING),
    }


def _bare(found: Found) -> Found:
    """Return the address without a closing slash: the client appends paths that begin with one."""
    return Found(found.value.rstrip("/"), found.origin, found.folder)


def _follows(given: Found, value: str, leader: str) -> Found:
    if given.value:
        return given
    origin = f"follows {leader}" if given.origin == DEFAULT else f"{given.origin}: follows {leader}"
    return Found(value, origin, given.folder)
