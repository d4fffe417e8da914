"""What was made since the last rebalance, as people and programs are shown it."""

from typing import Any

from .performance import performance_of
from .plain import rounded, text
from .policy import Policy
from .state import State


def performance_view(state: State, policy: Policy) -> dict[str, Any]:
    """Return the performance as of `state.now`; what is not known is None, with why."""
    made = performance_of(state, policy.benchmark)
    return {
        "since": None if made.since is None else made.since.isoformat(),
        "benchmark": policy.benchmark,
        "total_return": text(rounded(made.total)),
        "benchmark_return": text(rounded(made.benchmark)),
        "outperformance": text(rounded(made.ahead)),
        "sharpe": text(rounded(made.sharpe)),
        "max_drawdown": text(rounded(made.drawdown)),
        "flows": text(made.flows),
        "sessions_unmarked": made.unmarked,
        "why_no_return": made.why,
        "why_no_benchmark": made.why_no_benchmark,
        "why_no_sharpe": made.why_no_sharpe,
        "doubt": made.doubt,
    }
