"""Parsers of files and of variables: what an operator, another program or a bad disk leaves there.

Each is given its bytes as a file in a folder of this process.
"""

import atexit
import gzip
import json
import shutil
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cache
from pathlib import Path

from atlas_daemon.config import load_credentials, load_settings
from atlas_daemon.config.kinds import UnfitError
from atlas_daemon.config.sources import read_dotenv
from atlas_daemon.core import events as e
from atlas_daemon.core.brain import SignalsError
from atlas_daemon.core.errors import AtlasError, ConfigError
from atlas_daemon.core.values import AccountMode, Regime
from atlas_daemon.edges.latch import LatchFile
from atlas_daemon.journal import Journal
from atlas_daemon.journal.codec import decode, encode, moment
from atlas_daemon.journal.errors import JournalError
from atlas_daemon.strategy.regime_file import read_regime
from atlas_daemon.strategy.targets_file import read_targets
from atlas_daemon.strategy.universe import members_on, resolve_universe
from tests.fuzz.rooms import NEVER, Room

DAY = date(2027, 1, 29)
VARIABLE_MAX = 131_072
"""Bytes that the kernel lets a variable have."""
NOW = datetime(2027, 2, 1, 14, 35, tzinfo=UTC)

TOML = b"""[account]
name = "LARGE"
mode = "paper"
capital = 0
protected = ["BRK.B"]
[strategy]
universe = ["AAPL", "MSFT"]
top_n = 10
min_high_ratio = 0.90
[rebalance]
anchors = ["02-01", "08-01"]
at = "open+5m"
rounds = 3
[risk]
max_position_pct = 0.15
price_band_pct = 25e-2
[dashboard]
host = "127.0.0.1"
port = 8787
"""
DOTENV = b"""# keys
ALPACA_LARGE_KEY=PKABC
export ALPACA_LARGE_SECRET='s#cret'
ATLAS_RISK__MAX_POSITION_PCT="0.10" # a cap
"""
TARGETS = b"symbol,weight,as_of\nAAPL,0.25,2027-01-29\nBRK-B,0.75,2027-01-29\n"
MEMBERS = b"""ticker,start_date,end_date,data_symbol
AAPL,2020-01-02,,AAPL
FB,2013-01-01,2030-01-01,META
"""
REGIME = {"regime": "TREND_BULL", "as_of": "2027-01-29"}
BARS = b"""date,symbol,open,high,low,close,volume,adj_factor,split,dividend
2027-01-28,AAPL,1,2,1,1.5,1000,1,0,0
2027-01-28,MSFT,1,2,1,1.5,1000,1,0,0
2027-01-29,AAPL,1,2,1,1.6,1200,1,0,0
2027-01-29,MSFT,1,2,1,1.6,1200,1,0,0
2027-02-02,AAPL,1,2,1,0.8,1200,1,2,0.1
"""


@cache
def folder() -> Path:
    """A folder of this process, taken away as it ends."""
    shm = Path("/dev/shm")
    made = Path(tempfile.mkdtemp(prefix="fuzz-", dir=shm if shm.is_dir() else None))
    atexit.register(shutil.rmtree, made, ignore_errors=True)
    return made


def _file(name: str, body: bytes) -> Path:
    path = folder() / name
    path.write_bytes(body)
    return path


def _config(body: bytes) -> object:
    home = {"HOME": str(folder())}
    settings = load_settings(_file("any.toml", body), environ=home, cwd=folder())
    settings.policy()
    assert len(settings.digest()) == 64
    return [(item.name, item.origin) for item in settings.items()]


def _dotenv(body: bytes) -> object:
    path = _file(".env", body)
    try:
        read_dotenv(path)
        settings = load_settings(None, environ={"HOME": str(folder())}, cwd=folder())
        load_credentials(settings, {})
    except ConfigError as error:
        assert "s#cret" not in str(error)
        raise
    finally:
        path.unlink()
    return None


def _variables(body: bytes) -> object:
    """Every key in turn, with the same odd text in its variable."""
    from atlas_daemon.config import KEYS

    text = body[:VARIABLE_MAX].decode("utf-8", "surrogateescape").replace("\0", "")
    if text:
        keys = list(KEYS.values())
        for key in keys if len(text) < 4_000 else keys[:: len(keys) // 3]:
            try:
                key.kind.from_text(text)
            except UnfitError:
                continue
    environ = {"HOME": str(folder()), "ATLAS_STRATEGY__UNIVERSE": text}
    load_settings(None, environ=environ, cwd=folder())
    return None


def _in_file(name: str, read: Callable[[Path], object]) -> Callable[[bytes], object]:
    return lambda body: read(_file(name, body))


def _bars(name: str) -> Callable[[bytes], object]:
    def read(body: bytes) -> object:
        from atlas_daemon.bars.files import load_bars

        bars = load_bars(_file(name, body), None, DAY - timedelta(days=400), DAY)
        assert bars.close_traded.shape == bars.close_total.shape
        return None

    return read


def _members(body: bytes) -> object:
    members_on(_file("members.csv", body), DAY)
    return None


def _universe(body: bytes) -> object:
    text = body.decode("utf-8", "replace")
    return None if text.startswith("file:") else resolve_universe(text, DAY).label


def _latch(body: bytes) -> object:
    latch = LatchFile(_file("HALTED", body))
    assert latch.is_on()
    assert latch.write("ann", "again", NOW) == ""
    assert latch.path.read_bytes() == body
    return None


EVENTS = (
    e.Ticked(),
    e.DaemonStarted("1", "LARGE", AccountMode.PAPER, "PA1", "d", False),
    e.RegimeReported(Regime.CRASH, DAY, "control"),
    e.OrderNotFound("atlas-2027-02-r1-buy-SPY-1", NOW),
    e.CashRestated(Decimal("1.5"), Decimal(2), True),
)


def _row(body: bytes) -> object:
    """A row's text as the payload of every kind of event that is tried, and as its moment."""
    text = body.decode("utf-8", "surrogateescape")
    for event in EVENTS:
        try:
            decode(1, type(event).__name__, text)
        except JournalError as error:
            assert len(str(error).splitlines()) == 1
    for kind in (text[:40], text):
        try:
            decode(1, kind, "{}")
        except JournalError as error:
            assert len(str(error)) < 700
    return None


def _moment(body: bytes) -> object:
    return moment(1, body.decode("utf-8", "surrogateescape"))


@cache
def journal_bytes() -> bytes:
    """A journal of a few entries, folded into one file."""
    path = folder() / "good.db"
    with Journal.open(
        path, account_mode=AccountMode.PAPER, account_name="LARGE", now=lambda: NOW
    ) as journal:
        entries = [e.Entry(seq, NOW, None, event) for seq, event in enumerate(EVENTS, 1)]
        journal.append(tuple(entries))
    return path.read_bytes()


def _journal(body: bytes) -> object:
    path = _file("journal.db", body)
    for leftover in ("journal.db-wal", "journal.db-shm"):
        (folder() / leftover).unlink(missing_ok=True)
    with Journal.open_readonly(path) as journal:
        verdict = journal.verify()
        assert len(verdict.fault.splitlines()) <= 1
        found = list(journal.read())
        assert verdict.is_intact
    with Journal.open(
        path, account_mode=AccountMode.PAPER, account_name="LARGE", now=lambda: NOW
    ) as journal:
        journal.append((e.Entry(journal.head()[0] + 1, NOW, None, e.Ticked()),))
    return len(found)


FILES = (
    Room("configuration", (TOML,), _config, ConfigError, text_max=4_000),
    Room("env file", (DOTENV,), _dotenv, ConfigError),
    Room("variables", (b"AAPL,MSFT", b'["A", "B"]', b"0.15", b"open+5m"), _variables, ConfigError),
    Room("regime", (REGIME,), _in_file("regime.json", read_regime), SignalsError),
    Room(
        "targets",
        (TARGETS,),
        _in_file("targets.csv", lambda path: read_targets(path, DAY)),
        SignalsError,
    ),
    Room("members", (MEMBERS,), _members, SignalsError),
    Room("universe", (b"AAPL,MSFT", b"technology"), _universe, SignalsError),
    Room("bars", (BARS,), _bars("bars.csv"), SignalsError),
    Room("zipped bars", (gzip.compress(BARS, mtime=0),), _bars("bars.csv.gz"), SignalsError),
    Room("latch", (b"halted at 2027-02-01 by ann: drill\n",), _latch, NEVER),
    Room(
        "journal row", tuple(json.loads(encode(event)[1]) for event in EVENTS), _row, JournalError
    ),
    Room("journal moment", (b"2027-02-01T14:35:00.000000Z",), _moment, JournalError),
    Room("journal", (journal_bytes(),), _journal, AtlasError),
)
