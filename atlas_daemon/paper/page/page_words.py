"""Words of the broker's page: figures, moments, tables. Pure; knows no account and no order."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from decimal import Decimal
from html import escape

from atlas_daemon.paper.market.calendar import NEW_YORK

NOTHING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"
_FIGURE = ' class="figure"'


def table(
    name: str, title: str, columns: Sequence[str], rows: Iterable[Sequence[str]], none: str
) -> str:
    """A section; a column whose name begins with = holds figures, which stand to the right."""
    looks = [_FIGURE if column[0] == "=" else "" for column in columns]
    body = "".join(
        "<tr>"
        + "".join(f"<td{look}>{cell}</td>" for look, cell in zip(looks, row, strict=True))
        + "</tr>"
        for row in rows
    )
    if not body:
        return f'<section id="{name}"><h2>{title}</h2><p class="none">{none}</p></section>'
    head = "".join(
        f'<th scope="col"{look}>{column.removeprefix("=")}</th>'
        for look, column in zip(looks, columns, strict=True)
    )
    return (
        f'<section id="{name}"><h2>{title}</h2><div class="scroll"><table>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div></section>"
    )


def gain(change: Decimal, share: Decimal, since: str, *, is_money: bool = True) -> str:
    """A change with its sign, its share in percent, and since when."""
    amount = money(abs(change)) if is_money else f"{abs(change):,.2f}"
    return (
        f'<p class="change">{signed(change, f"{amount} ({abs(share):.2f} %)")} {escape(since)}</p>'
    )


def signed(value: Decimal, text: str, *, is_coloured: bool = True) -> str:
    """A text with the sign of a value, and its colour; less than half a cent is nothing."""
    value = round(value, 2)
    sign = "+" if value > 0 else _MINUS if value < 0 else ""
    word = "good" if value > 0 else "bad" if value < 0 else ""
    return f'<span class="{word if is_coloured else ""}">{sign}{text}</span>'


def money(value: Decimal) -> str:
    """Dollars and cents."""
    return f"{_MINUS if value < 0 else ''}${abs(value):,.2f}"


def when(at: datetime) -> str:
    """A moment of a list, New York time."""
    return f"<time>{at.astimezone(NEW_YORK):%d %b %H:%M:%S}</time>"


def clock(at: datetime, now: datetime) -> str:
    """A moment as people say it: the hour, and the day where it is another one."""
    here, there = now.astimezone(NEW_YORK), at.astimezone(NEW_YORK)
    return f"{there:%H:%M}" if here.date() == there.date() else f"{there:%a %d %b, %H:%M}"
