"""Three real days through the real command, and what pandas makes of the same files by itself.

`python -m tests.rehearsal.historical` writes the golden files anew; read the difference before it
is kept. Nothing below `figures_by_pandas` uses a line of the strategy, the sizing or the reader.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_DOWN, Decimal
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq

from tests import thirty_years
from tests.bars.builders import SHARED_BARS
from tests.conformance import install

GOLDEN = Path(__file__).parent / "golden"
MEMBERS = SHARED_BARS.with_name("sp500_membership.csv")
ALLOCATION = {"TREND_BULL": 1, "TREND_NEUTRAL": Decimal("0.7"), "CRASH": 0}
CENT = Decimal("0.01")
STEP_S = 60


@dataclass(frozen=True)
class HistoricalRun:
    """One dry run: what is asked, on which data, and what the day is known to be."""

    name: str
    words: tuple[str, ...]
    regime: str
    signal_day: date
    order_day: date
    cash: Decimal = Decimal(10_000)
    held: tuple[tuple[str, int], ...] = ()
    is_shipped: bool = False
    """True where the prices are skfolio's, which any machine with a network has."""


RUNS = {
    run.name: run
    for run in (
        HistoricalRun(
            "2024-02-01",
            ("--date", "2024-02-01", "--cash", "50000", "--holdings", "BRK-B=2,NVDA=3,XOM=10"),
            "TREND_BULL",
            date(2024, 1, 31),
            date(2024, 2, 1),
            Decimal(50_000),
            (("BRK.B", 2), ("NVDA", 3), ("XOM", 10)),
        ),
        HistoricalRun(
            "2024-08-01",
            ("--date", "2024-08-01"),
            "TREND_NEUTRAL",
            date(2024, 7, 31),
            date(2024, 8, 1),
        ),
        HistoricalRun(
            "2020-03-15",
            ("--date", "2020-03-15", "--holdings", "AAPL=12,DLR=4,TSLA=7"),
            "CRASH",
            date(2020, 3, 13),
            date(2020, 3, 16),
            held=(("AAPL", 12), ("DLR", 4), ("TSLA", 7)),
        ),
        HistoricalRun(
            "2020-03-15-skfolio",
            ("--date", "2020-03-15", "--holdings", "LLY=4,XOM=20"),
            "CRASH",
            date(2020, 3, 13),
            date(2020, 3, 16),
            held=(("LLY", 4), ("XOM", 20)),
            is_shipped=True,
        ),
    )
}


def told(run: HistoricalRun, folder: Path) -> str:
    """Return the command and what it printed, as the golden file has it."""
    source = thirty_years.bars_file() if run.is_shipped else SHARED_BARS
    universe = list(thirty_years.STOCKS) if run.is_shipped else f"file:{MEMBERS}"
    (folder / "atlas.toml").write_text(
        '[account]\nmode = "local"\n[regime]\nsource = "jump_model"\n[paths]\nstate_dir = "state"\n'
        f'[data]\nsource = "file:{source}"\n[strategy]\nuniverse = {json.dumps(universe)}\n'
    )
    environ = {k: v for k, v in os.environ.items() if not k.startswith(("ATLAS_", "ALPACA_"))}
    done = subprocess.run(
        [sys.executable, "-m", "atlas_daemon", "plan", *run.words],
        cwd=folder,
        env=environ | {"HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=STEP_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.rstrip() for line in done.stdout.splitlines()]
    assert sum(is_digest(line) for line in lines) == 1
    # The digest is of all that a plan consists of, its future fields too: no figure of the day.
    kept = [line for line in lines if not is_digest(line)]
    return "\n".join([f"$ atlasd plan {' '.join(run.words)}", *kept, ""])


def is_digest(line: str) -> bool:
    return line.startswith("Digest ") and len(line.split()[1]) == 64


Rows = list[list[str]]


def figures_by_pandas(run: HistoricalRun) -> tuple[Rows, Rows, Rows, str]:
    """Return the rows of picks, of lines and of orders, and the cash line, in the words printed."""
    picks, closes = (_shipped if run.is_shipped else _members)(run)
    equity = run.cash + sum(qty * closes[symbol] for symbol, qty in run.held)
    deployable = equity * min(ALLOCATION[run.regime], Decimal("0.99"))
    weight = (Decimal(1) / len(picks)).quantize(Decimal("0.000001"), ROUND_DOWN)
    cap = equity * Decimal("0.15")
    names = [symbol for symbol, _ in picks]
    targets = _sized(names, closes, min(weight * deployable, cap), deployable, cap)
    rows: Rows = [
        [str(rank), symbol, f"{ratio:.4f}", f"{closes[symbol]:,.2f}", f"{weight * 100:.1f}", "%"]
        for rank, (symbol, ratio) in enumerate(picks, 1)
    ]
    had = dict(run.held)
    lines, values = [], []
    for symbol in [*names, *sorted(had.keys() - set(names))]:
        target, current = targets.get(symbol, 0), had.get(symbol, 0)
        change, value = target - current, target * closes[symbol]
        values.append(value)
        lines.append(
            [
                *(symbol, str(current), str(target), f"{change:+}" if change else "0"),
                *(f"{closes[symbol]:,.2f}", f"{value:,.2f}", f"{value / equity * 100:.1f}", "%"),
            ]
        )
    orders, cash, after_sells = [], run.cash, run.cash
    changes = [(line[0], int(line[3]), int(line[2])) for line in lines]
    sells = sorted((c for c in changes if c[1] < 0), key=lambda change: change[2] > 0)
    for symbol, change, _ in [*sells, *(c for c in changes if c[1] > 0)]:
        value = abs(change) * closes[symbol]
        cash -= change * closes[symbol]
        after_sells = cash if change < 0 else after_sells
        side = "BUY" if change > 0 else "SELL"
        orders.append(
            [
                *(str(len(orders) + 1), side, str(abs(change)), symbol, "market"),
                *(f"{value:,.2f}", f"{cash:,.2f}"),
            ]
        )
    allocation = ALLOCATION[run.regime] * 100
    said = (
        f"{run.cash:,.2f} -> {after_sells:,.2f} after sells -> {cash:,.2f} after buys; "
        f"deployed {sum(values) / equity * 100:.1f} % of {allocation:.1f} %"
    )
    return rows, lines, orders, said


def _sized(
    names: list[str],
    closes: dict[str, Decimal],
    piece: Decimal,
    deployable: Decimal,
    cap: Decimal,
) -> dict[str, int]:
    """floor(slice / price); then a share each to the line furthest below, while it fits."""
    shares = {name: int(piece // closes[name]) for name in names}
    while True:
        left = deployable - sum(qty * closes[name] for name, qty in shares.items())
        behind = [
            (shares[name] * closes[name] - piece, name)
            for name in names
            if shares[name] * closes[name] < piece
            and closes[name] <= left
            and (shares[name] + 1) * closes[name] <= cap
        ]
        if not behind:
            return shares
        shares[min(behind)[1]] += 1


Found = tuple[list[tuple[str, Decimal]], dict[str, Decimal]]


def _members(run: HistoricalRun) -> Found:
    """Return the ten nearest to their 252-session high among the members, and all closes."""
    listed = pd.read_csv(MEMBERS, keep_default_na=False)
    day = str(run.signal_day)
    then = listed[
        (listed["start_date"] <= day) & ((listed["end_date"] == "") | (listed["end_date"] > day))
    ]
    since = run.signal_day - timedelta(days=400)
    window = [("date", ">=", since), ("date", "<=", run.signal_day)]
    past = _bars(["high", "close", "adj_factor"], window)
    ours = past[past["symbol"].isin(set(then["data_symbol"]))]
    ours = ours.sort_values("date").groupby("symbol").tail(252)
    ours = ours.assign(
        top=ours["high"] * ours["adj_factor"], now=ours["close"] * ours["adj_factor"]
    )
    grouped = ours.groupby("symbol")
    rated = pd.DataFrame(
        {
            "ratio": grouped["now"].last() / grouped["top"].max(),
            "days": grouped.size(),
            "last": grouped["date"].last(),
        }
    )
    rated = rated[(rated["days"] == 252) & (rated["last"] == run.signal_day)]
    best = rated["ratio"].round(6).sort_values(ascending=False)
    best = best[best >= 0.90].head(11)
    assert best.is_unique, "a tie at six places: rank by more than the ratio"
    # Dollars a share as the order session counts them: later splits undone, not the dividends.
    later = _bars(["split"], [("date", ">", run.order_day), ("split", ">", 0.0)])
    factor = later.groupby("symbol")["split"].prod()
    at_close = past[past["date"] == run.signal_day].set_index("symbol")["close"]
    traded = at_close * factor.reindex(at_close.index).fillna(1.0)
    picks = [(_dotted(name), _places(ratio)) for name, ratio in best.head(10).items()]
    return picks, {_dotted(name): _cents(close) for name, close in traded.items()}


def _bars(figures: list[str], wanted: list[tuple[str, str, object]]) -> pd.DataFrame:
    """Return figures of every symbol, in double precision, where all that is wanted holds."""
    table = pq.read_table(SHARED_BARS, columns=["date", "symbol", *figures], filters=wanted)
    return table.to_pandas().astype(dict.fromkeys(figures, float) | {"symbol": str})


def _shipped(run: HistoricalRun) -> Found:
    """The same of skfolio's closes, straight from its file."""
    closes = pd.read_csv(install.prices() / "sp500_dataset.csv.gz", index_col=0)
    window = closes.loc[: str(run.signal_day)].tail(252)
    ratio = (window.iloc[-1] / window.max()).round(6).sort_values(ascending=False)
    picks = [(name, _places(share)) for name, share in ratio[ratio >= 0.90].head(10).items()]
    return picks, {name: _cents(close) for name, close in window.iloc[-1].items()}


def _dotted(name: str) -> str:
    return name.replace("-", ".")


def _places(ratio: float) -> Decimal:
    return Decimal(f"{ratio:.6f}")


def _cents(close: float) -> Decimal:
    return Decimal(str(close)).quantize(CENT)


def rows_between(text: str, title: str, end: str) -> Rows:
    """Return the words of each row of the table under `title`."""
    lines = text[text.index(f"\n{title}") + 1 : text.index(f"\n{end}")].splitlines()
    rule = next(at for at, line in enumerate(lines) if line.strip().startswith("─"))
    return [line.split() for line in lines[rule + 1 :] if line.strip()]


def main(write: Callable[[str], object] = print) -> None:
    """Write every golden file anew."""
    import tempfile

    for run in RUNS.values():
        with tempfile.TemporaryDirectory() as folder:
            (GOLDEN / f"{run.name}.txt").write_text(told(run, Path(folder)), "utf-8")
        write(f"written: {GOLDEN / run.name}.txt")


if __name__ == "__main__":
    main()
