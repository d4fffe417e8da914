"""Tables, cards and figures as HTML text, everything that others wrote escaped. No section here."""

from collections.abc import Iterable, Sequence
from decimal import Decimal
from html import escape

from atlas_daemon.core.spelling import dollars
from atlas_daemon.records.lines import one_line

NOTHING = "-"


def words(text: object) -> str:
    """Return text on one line, escaped."""
    return escape(one_line(str(text)), quote=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[str]], *, left: set[int], name: str) -> str:
    """Return a table that scrolls by itself where it is wider than the page.

    The first cell of a row is its head; columns in `left` are words, the others figures.
    """

    def kind(at: int) -> str:
        return ' class="l"' if at in left else ""

    head = "".join(f'<th scope="col"{kind(at)}>{words(h)}</th>' for at, h in enumerate(heads))
    body = []
    for row in rows:
        first, *others = row
        cells = "".join(f"<td{kind(at)}>{words(c)}</td>" for at, c in enumerate(others, start=1))
        body.append(f'<tr><th scope="row"{kind(0)}>{words(first)}</th>{cells}</tr>')
    label = words(name)
    return (
        f'<div class="wide" role="region" aria-label="{label}" tabindex="0"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def cards(found: Iterable[tuple[str, str, str]]) -> str:
    """Return figures at a glance: (name, figure, words)."""
    told = "".join(
        f"<div><dt>{words(name)}</dt><dd><b>{words(figure)}</b> {words(more)}</dd></div>"
        for name, figure, more in found
    )
    return f'<dl class="cards">{told}</dl>'


def money(told: str | None) -> str:
    """Return dollars and cents of a figure's digits."""
    return NOTHING if told is None else dollars(Decimal(told))


def price(told: str | None) -> str:
    """Return a price with two to four decimals."""
    if told is None:
        return NOTHING
    value = Decimal(told)
    whole, _, cents = f"{value:,.4f}".partition(".")
    return f"{whole}.{cents.rstrip('0'):0<2}"


def pct(fraction: float | None) -> str:
    """Return a fraction as a percentage with its sign."""
    return NOTHING if fraction is None else f"{fraction:+.2%}"


def rate_of(fraction: float | None) -> str:
    """Return a share of a whole as a percentage."""
    return NOTHING if fraction is None else f"{fraction:.1%}"


def number(value: float | None) -> str:
    """Return a number with two decimals."""
    return NOTHING if value is None else f"{value:.2f}"
