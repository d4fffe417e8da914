"""What the doctor found last, as people see it."""

from datetime import datetime
from typing import Any

from .findings import Level
from .plain import age, moment
from .state import State

View = dict[str, Any]


def examined_of(state: State, now: datetime) -> View | None:
    """Return the latest look at the daemon's circumstances; None where there was none.

    A look that found nothing at all, not even good, was nobody's.
    """
    examined = state.examined
    if examined is None or not examined.findings:
        return None
    levels = [finding.level for finding in examined.findings]
    return {
        "at": moment(examined.at),
        "age_s": age(examined.at, now),
        "reason": examined.reason,
        **{level.value: levels.count(level) for level in Level},
        "findings": [
            {"check": f.check, "level": f.level.value, "text": f.text, "advice": f.advice}
            for f in examined.findings
            if f.level is not Level.OK
        ],
    }


def examined_text(view: View) -> str:
    """Return in a few words what was found: `nothing red, 2 warnings`."""
    warnings = f"{view['warn']} warning{'s'[: view['warn'] != 1]}"
    red = [found["check"] for found in view["findings"] if found["level"] == Level.RED]
    said = f"RED: {', '.join(dict.fromkeys(red))}" if red else "nothing red"
    return f"{said}, {warnings}"
