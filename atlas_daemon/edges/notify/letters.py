"""Writes the next message: one notice with what to do about it, or several in one.

Few waiting notices are told one by one. Many, as after an outage, are told in one message, in
their order: every critical one has its line, of the others the first ones have, and the rest is
counted. What does not fit waits for the next message.
"""

from collections import Counter
from collections.abc import Sequence

from .advice import advice_of
from .notice import RANK, Letter, Notice, Severity
from .outbox import clock_text

ONE_BY_ONE_MAX = 3
"""More than this waiting is told in one message."""
LINES_MAX = 8
"""Lines of one message for what is not critical."""
LINE_MAX = 240
MARGIN = 420
"""Characters of a message for its head, its advice and its counts."""
TO_DO_MAX = 2


def write(
    waiting: Sequence[Notice], *, label: str, head: str, limit: int, uncounted: int = 0
) -> Letter:
    """Return the message for the oldest of `waiting`, of at most `limit` characters."""
    if len(waiting) <= ONE_BY_ONE_MAX and not uncounted:
        return _single(waiting[0], label, head, limit)
    return _digest(waiting, label, head, limit, uncounted)


def _single(notice: Notice, label: str, head: str, limit: int) -> Letter:
    advice = advice_of(notice.key)
    is_over = notice.severity is Severity.INFO
    since = f"{clock_text(notice.at)}."
    room = limit - len(since) - len(advice.by_itself) - len(advice.to_do) - len(head) - 80
    return Letter(
        severity=notice.severity,
        about=notice.key,
        title=f"{label} {notice.severity.upper()}: {notice.key}",
        text=_cut(notice.text, max(80, room)),
        at=notice.at,
        head=head,
        label=label,
        settles=frozenset((notice,)),
        meaning=advice.meaning,
        by_itself="" if is_over else advice.by_itself,
        to_do="" if is_over else advice.to_do,
        lines=(since,),
    )


def _digest(waiting: Sequence[Notice], label: str, head: str, limit: int, uncounted: int) -> Letter:
    room = limit - MARGIN
    lines: list[str] = []
    counted: Counter[str] = Counter()
    plain = settles = 0
    for notice in waiting:
        is_critical = notice.severity is Severity.CRITICAL
        mark = "" if notice.severity is Severity.INFO else f"{notice.severity.upper()} "
        line = f"{clock_text(notice.at)}: {mark}{_cut(notice.text, LINE_MAX)}"
        if not is_critical and plain >= LINES_MAX:
            counted[notice.key] += 1
        elif len(line) + 1 > room:
            if is_critical:
                break
            counted[notice.key] += 1
        else:
            lines.append(line)
            room -= len(line) + 1
            plain += not is_critical
        settles += 1
    told = waiting[:settles]
    worst = max((notice.severity for notice in told), key=RANK.__getitem__)
    criticals = [notice for notice in told if notice.severity is Severity.CRITICAL]
    if rest := counted.total() + uncounted:
        about = ", ".join(f"{count} {key}" for key, count in counted.most_common(5))
        lines.append(f"and {rest} more{f' ({about})' if about else ''}: see the log")
    keys = dict.fromkeys(notice.key for notice in criticals)
    to_do = "; ".join(advice_of(key).to_do for key in list(keys)[:TO_DO_MAX])
    count = settles + uncounted
    return Letter(
        severity=worst,
        about=next(iter(keys), told[0].key),
        title=f"{label} {worst.upper()}: {count} messages",
        text=f"{count} messages since {clock_text(told[0].at)}, {len(criticals)} critical:",
        at=told[0].at,
        head=head,
        label=label,
        settles=frozenset(told),
        uncounted=uncounted,
        to_do=_cut(to_do, 200),
        lines=tuple(lines),
    )


def _cut(text: str, length: int) -> str:
    words = " ".join(text.split())
    return words if len(words) <= length else words[: length - 1] + "…"
