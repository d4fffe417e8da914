"""Writes the table of an order's steps into docs/architecture.md: `python -m tests.house.steps`."""

from collections.abc import Iterator

from atlas_daemon.core.orders import BROKER_NEWS, STEPS, OrderNews
from tests.house.source import ROOT

PAPER = ROOT / "docs" / "architecture.md"
BEGIN = "<!-- steps: written from core/orders.py by `python -m tests.house.steps` -->\n"
END = "<!-- steps end -->\n"


def steps_table() -> str:
    """The table as Markdown: for each status, what leads where, and what changes nothing."""
    return "\n".join(_rows()) + "\n"


def _rows() -> Iterator[str]:
    brokers = set(BROKER_NEWS.values())
    yield "| status | the broker's word leads to | our own step leads to | changes nothing |"
    yield "|---|---|---|---|"
    for status, steps in STEPS.items():
        moves = {news: after for news, after in steps.items() if after is not status}
        cells = (
            ", ".join(after for news, after in moves.items() if news in brokers),
            ", ".join(f"{n}: {after}" for n, after in moves.items() if n not in brokers),
            ", ".join(news for news in OrderNews if steps.get(news) is status),
        )
        yield f"| {status} | " + " | ".join(cell or "-" for cell in cells) + " |"


def written_table() -> str:
    """The table as it stands in the paper."""
    return PAPER.read_text("utf-8").split(BEGIN)[1].split(END)[0]


def main() -> None:
    """Put the table in its place."""
    before, rest = PAPER.read_text("utf-8").split(BEGIN)
    PAPER.write_text(before + BEGIN + steps_table() + END + rest.split(END)[1], "utf-8")


if __name__ == "__main__":
    main()
