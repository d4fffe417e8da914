"""Pieces of HTML: text made safe, tables, facts, badges. No section lives here, and no question.

What came from outside may be meant to deceive: besides the signs of HTML, every character that is
not seen or that turns the text's direction is spelled out, and what is endless is cut.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from html import escape
from typing import Any
from unicodedata import category

from atlas_daemon.core.moments import NEW_YORK
from atlas_daemon.core.spelling import UNKNOWN, day_text, span

View = dict[str, Any]

TEXT_MAX = 600
"""Characters of one text; nobody reads more of it on a page."""
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}


def safe(text: object) -> str:
    r"""Return a text for HTML. Unseen characters are spelled out: `\u202e`, `\x1b`."""
    whole = str(text)
    kept = whole if len(whole) <= TEXT_MAX else f"{whole[:TEXT_MAX]}…"
    if not kept.isascii() or not kept.isprintable():
        kept = "".join(map(_seen, kept))
    return escape(kept, quote=True)


def _seen(char: str) -> str:
    if char in "\n\t":
        return " "
    if category(char) not in _UNSEEN:
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


def section(name: str, title: str, body: str, *, kind: str = "") -> str:
    """Return a section under its own heading; `kind` is a class of the sheet."""
    classes = f' class="{kind}"' if kind else ""
    return (
        f'<section id="{name}"{classes} aria-labelledby="{name}-title">'
        f'<h2 id="{name}-title">{safe(title)}</h2>{body}</section>'
    )


def absent(name: str) -> str:
    """Return the place of a section that has nothing to say now."""
    return f'<section id="{name}" hidden></section>'


def facts(rows: Iterable[tuple[str, str]], kind: str = "") -> str:
    """Return names and texts as a list of definitions. Texts are made safe here."""
    items = "".join(f"<div><dt>{safe(name)}</dt><dd>{safe(text)}</dd></div>" for name, text in rows)
    return f'<dl class="{kind}">{items}</dl>' if kind else f"<dl>{items}</dl>"


def bullets(texts: Iterable[str]) -> str:
    """Return texts as a list; made safe here."""
    return "<ul>" + "".join(f"<li>{safe(text)}</li>" for text in texts) + "</ul>"


def paragraph(text: str, kind: str = "") -> str:
    """Return a text as a paragraph; made safe here."""
    return f'<p class="{kind}">{safe(text)}</p>' if kind else f"<p>{safe(text)}</p>"


def badge(text: str, kind: str) -> str:
    """Return a word in a frame; `kind` (good, warn, bad, plain) colours it, the word says it."""
    return f'<span class="badge {kind}">{safe(text)}</span>'


class Cell(str):
    """Markup of a cell that is made already; any other text is made safe by `table`."""

    __slots__ = ()


def table(
    name: str,
    caption: str,
    heads: str,
    rows: Iterable[Sequence[str]],
    words: Sequence[int],
    *,
    kind: str = "",
) -> str:
    """Return a table that scrolls by itself where it is wider than its place.

    `heads` are the columns' names between commas, `words` the columns of text; the others hold
    figures. The first column names the row. `caption` is for who does not see the heading.
    """
    names = heads.split(",")
    head = "".join(f'<th scope="col"{_kind(i, words)}>{safe(n)}</th>' for i, n in enumerate(names))
    body = "".join(f"<tr>{''.join(_cells(row, words))}</tr>" for row in rows)
    return (
        f'<div class="wide {kind}" id="{name}-scroll" tabindex="0" role="region" '
        f'aria-label="{safe(caption)}"><table><caption class="unseen">{safe(caption)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def _cells(row: Sequence[str], words: Sequence[int]) -> Iterable[str]:
    for column, cell in enumerate(row):
        text = cell if isinstance(cell, Cell) else safe(cell)
        if column == 0:
            yield f'<th scope="row"{_kind(column, words)}>{text}</th>'
        else:
            yield f"<td{_kind(column, words)}>{text}</td>"


def _kind(column: int, words: Sequence[int]) -> str:
    return "" if column in words else ' class="figure"'


def bar(filled: Decimal | None, whole: Decimal | None, kind: str) -> str:
    """Return a bar of a part of a whole, for the eye only: the figures stand beside it."""
    share = 0.0
    if filled is not None and whole is not None and whole > 0:
        share = float(min(Decimal(1), max(Decimal(0), filled / whole))) * 100
    return (
        f'<svg class="bar {kind}" viewBox="0 0 100 8" preserveAspectRatio="none" '
        'aria-hidden="true" focusable="false"><rect class="whole" width="100" height="8"/>'
        f'<rect class="part" width="{share:.1f}" height="8"/></svg>'
    )


def number(text: str | None) -> Decimal | None:
    """Return the figure that a view spells; None where nobody has seen it."""
    return None if text is None else Decimal(text)


def at_of(text: str) -> datetime:
    """Return the aware moment that a view spells; one without a zone is UTC."""
    at = datetime.fromisoformat(text)
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)


def clock(text: str | None) -> str:
    """Return a moment's time of day in New York, with its moment for programs."""
    if text is None:
        return UNKNOWN
    return f'<time datetime="{safe(text)}">{at_of(text).astimezone(NEW_YORK):%H:%M:%S}</time>'


def day_and_clock(text: str | None) -> str:
    """Return a moment as `Feb 2, 09:35:42` in New York, with its moment for programs."""
    if text is None:
        return UNKNOWN
    at = at_of(text).astimezone(NEW_YORK)
    return f'<time datetime="{safe(text)}">{at:%b} {at.day}, {at:%H:%M:%S}</time>'


def new_york_date(text: str) -> date:
    """Return the day in New York of a moment that a view spells."""
    return at_of(text).astimezone(NEW_YORK).date()


def ago(seconds: int | None) -> str:
    """Return `12s ago`, or that nobody knows."""
    return UNKNOWN if seconds is None else f"{span(seconds)} ago"


def date_text(text: str) -> str:
    """Return the ISO day of a view as `Feb 1, 2026`."""
    return day_text(date.fromisoformat(text))
