"""`make replay`: history through the live path, drawn.

The S&P 500 since 2015 where its data lies beside the checkout, else twenty stocks since 1994 that a
package ships. `python -m bench.picture PNG [ARGUMENTS OF atlasd replay]`.
"""

import subprocess
import sys
from pathlib import Path

from tests import thirty_years
from tests.conformance.install import NotHereError

DATA = Path(__file__).parents[2] / "shared" / "data"
INDEX = DATA / "us_daily_2014_2026.parquet"


def arguments() -> list[str]:
    """Return what is replayed; raises NotHereError where there are no prices to be had."""
    if INDEX.is_file():
        return [
            *("--data", f"file:{INDEX}", "--universe", f"file:{DATA / 'sp500_membership.csv'}"),
            *("--benchmark", f"file:{DATA / 'market_daily.csv.gz'}"),
            *("--from", "2015-02-01", "--to", "2026-02-02"),
        ]
    return [
        *("--data", f"file:{thirty_years.bars_file()}", "--universe", thirty_years.UNIVERSE),
        *("--from", "1994-07-01", "--to", str(thirty_years.LAST)),
    ]


def main() -> int:
    """Replay and draw; what is given besides the picture's path wins over what stands here."""
    picture, *given = sys.argv[1:]
    Path(picture).parent.mkdir(parents=True, exist_ok=True)
    try:
        chosen = arguments()
    except NotHereError as error:
        print(f"no prices to replay: {error}", file=sys.stderr)
        return 1
    command = [sys.executable, "-m", "atlas_daemon", "replay", "--top-n", "10", *chosen]
    return subprocess.run([*command, "--png", picture, *given], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
