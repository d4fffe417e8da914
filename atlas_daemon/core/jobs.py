"""The jobs of the schedule, by name. When they fire is the edge's to say, what they mean ours."""

REBALANCE_CHECK = "rebalance_check"
"""Each session, as long after its open as a run may begin."""
REGIME_REFRESH = "regime_refresh"
"""After each session's close, and an hour before the open of one in which a slot may run."""
REHEARSAL = "rehearsal"
"""Each night: the doctor looks at everything."""
DAILY_REPORT = "daily_report"
"""After each session."""
LOG_UPKEEP = "log_upkeep"
"""Each night, when New York's day is over."""
CALENDAR_CHECK = "calendar_check"
"""Each morning."""

JOBS = (
    REBALANCE_CHECK,
    REGIME_REFRESH,
    REHEARSAL,
    DAILY_REPORT,
    LOG_UPKEEP,
    CALENDAR_CHECK,
)
