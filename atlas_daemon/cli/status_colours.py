"""What colours say in a status: gain and loss, the account's world, what must not be overlooked.

The words alone say all of it; where there is no colour nothing is lost. Styles, and where a line
goes on that is too wide; no words of its own.
"""

import re
from collections.abc import Iterable

from rich.console import Console
from rich.text import Text

# Of the 256 colours those that can be read on black and on white (a contrast of 4.5 on both, the
# red 3.9 on black); a terminal of 16 takes its nearest.
GAIN, LOSS, CARE = "color(28)", "color(160)", "color(130)"
STOPPED = "bold color(231) on color(160)"
"""Nothing is traded, or real money is at stake."""
QUIET = "color(243)"
INDENT = 4
"""Where a line goes on that is wider than the screen."""

_WORLDS = {"[LIVE]": STOPPED, "[PAPER]": "bold color(63)", "[LOCAL]": f"bold {QUIET}"}
_MODES = {
    "trading:": f"bold {GAIN}",
    "starting:": f"bold {CARE}",
    "reduce_only:": f"bold {CARE}",
    "halted:": STOPPED,
    "daemon not running": STOPPED,
}
_LOUD = ("HALTED by ", "THE JOURNAL CANNOT BE WRITTEN", "CALENDARS DIFFER")
_SIGNED = re.compile(r"(?<!\S)[+-]\$?[\d,]+(?:\.\d+)?%?(?!\S)")
_DOUBT = re.compile(r"\bunknown\b|n/a \(.*\)|^  In doubt: .*|\bare .* old \(.*")
_ALARM = re.compile(r"FROZEN: .*|NOT VALID: .*|RED: .*|not done by .*|[1-9]\d* rejected")
_LEVELS = re.compile(r"\b(?:(WARNING)|(ERROR|CRITICAL)): ")
_REGIMES = {"TREND_BULL": GAIN, "TREND_BEAR": CARE, "CRASH": STOPPED}
_GAINED = ("POSITIONS", "PERFORMANCE")


def coloured(lines: Iterable[str]) -> list[Text]:
    """Return the lines with their styles."""
    block, found = "", []
    for number, line in enumerate(lines):
        text = Text(line)
        if line[:1].isupper():
            block = line
        if line.startswith("["):
            _label(text)
        elif line.startswith(_LOUD):
            text.stylize(STOPPED)
        elif line.startswith("A NEW CONFIGURATION WAITS"):
            text.stylize(f"bold {CARE}")
        elif line and not line.startswith((" ", "Date:", "Market:", "Alerts do not", "=")):
            text.stylize("bold")
        elif number:
            _words(text, block)
        found.append(text)
    return found


def wrapped(console: Console, lines: Iterable[Text], width: int) -> list[Text]:
    """Return the lines, those that are wider than `width` broken between words and indented."""
    rows: list[Text] = []
    indent = min(INDENT, width // 3)
    for line in lines:
        if line.cell_len <= width:
            rows.append(line)
            continue
        parts = line.wrap(console, width - indent, overflow="fold")
        for number, part in enumerate(parts):
            part.rstrip()
            rows.append(Text(" " * indent).append_text(part) if number else part)
    return rows


def _label(text: Text) -> None:
    for word, style in (*_WORLDS.items(), *_MODES.items()):
        text.highlight_words([word], style)


def _words(text: Text, block: str) -> None:
    line = text.plain
    if block.startswith(_GAINED):
        for found in _SIGNED.finditer(line):
            if re.search("[1-9]", found[0]):
                text.stylize(GAIN if found[0][0] == "+" else LOSS, *found.span())
    text.highlight_regex(_DOUBT, CARE)
    text.highlight_regex(_ALARM, LOSS)
    for found in _LEVELS.finditer(line):
        text.stylize(CARE if found[1] else f"bold {LOSS}", *found.span())
    if block.startswith(("CURRENT REGIME", "LAST REBALANCE")):
        for regime, style in _REGIMES.items():
            text.highlight_words([regime], style)
    if line.startswith("Alerts do not reach"):
        text.stylize(f"bold {LOSS}")
    if set(line) <= set("- =") and line.strip():
        text.stylize(QUIET)
