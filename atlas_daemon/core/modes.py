"""The mode that follows from what is known: books, calendar, clock, stream, certificate.

Questions only; that it changes is decided by the reconciler.
"""

from . import events as e
from .certificate import LAPSED, why_uncertified
from .policy import Policy
from .state import State
from .values import Account, Mode


def blocks_of(account: Account) -> str:
    """Return in words what the broker itself holds against trading; nothing where it is open."""
    words = {
        "trading blocked": account.trading_blocked,
        "account blocked": account.account_blocked,
        "suspended by user": account.suspended_by_user,
        f"account status {account.status}": account.status != "ACTIVE",
    }
    return ", ".join(word for word, is_on in words.items() if is_on)


def mode_of(state: State, policy: Policy) -> tuple[Mode, str]:
    """Return the mode that follows from what is known, and why."""
    mode, reason = _mode_by_figures(state, policy)
    if mode is Mode.TRADING and (why := why_uncertified(state, policy)):
        return Mode.REDUCE_ONLY, f"{LAPSED}{why}"
    return mode, reason


def lacks_certificate_only(state: State, policy: Policy) -> bool:
    """True where we would trade but for the certificate: then what goes to cash may be sold."""
    if state.mode is not Mode.REDUCE_ONLY or not why_uncertified(state, policy):
        return False
    return _mode_by_figures(state, policy)[0] is Mode.TRADING


def has_lapsed(state: State, policy: Policy) -> bool:
    """True where that is so by what was read, and not only because nothing was read yet."""
    return state.figures.certificate is not None and lacks_certificate_only(state, policy)


def _mode_by_figures(state: State, policy: Policy) -> tuple[Mode, str]:
    figures = state.figures
    if state.halt is not None:
        return Mode.HALTED, state.mode_reason
    snapshot = figures.snapshot
    if snapshot is not None and snapshot.account.number != state.account_number:
        return Mode.REDUCE_ONLY, f"account {snapshot.account.number} is another one"
    if snapshot is None or figures.matched_at is None:
        reason = figures.failures.get("snapshot", "not yet reconciled")
        if state.mode is Mode.STARTING:
            return Mode.STARTING, reason
        return Mode.REDUCE_ONLY, reason
    account = snapshot.account
    blocks = [
        name
        for name, is_on in (
            (blocks_of(account), bool(blocks_of(account))),
            ("positions differ", figures.drift_at is not None),
            ("cash differs", figures.cash_differs_at is not None),
            ("calendars differ", bool(state.calendar_dispute)),
            (_clock_text(figures.clock_dispute), _is_clock_off(figures.clock_dispute)),
            (figures.rival, bool(figures.rival)),
            ("the stream is refused: another daemon?", _is_refused_for_long(state, policy)),
        )
        if is_on
    ]
    if blocks:
        why = figures.failures.get("activities")
        unread = [f"no activities: {why}"] if why and state.figures.differs_at is not None else []
        return Mode.REDUCE_ONLY, ", ".join((*blocks, *unread))
    if "credentials" in figures.failures:
        return Mode.REDUCE_ONLY, "the broker refuses our keys"
    if figures.stream == "listening":
        if figures.stream_at is not None and figures.matched_at < figures.stream_at:
            return Mode.REDUCE_ONLY, "not reconciled since the stream opened"
        return Mode.TRADING, "reconciled, stream listening"
    clean = figures.clean_since
    if clean is not None and figures.stream_at is not None:
        clean = max(clean, figures.stream_at)  # polling stands in only since the stream is gone
    if clean is not None and state.now - clean >= policy.blind_wait:
        return Mode.TRADING, "reconciled, polling (no stream)"
    return Mode.REDUCE_ONLY, f"stream {figures.stream}"


def _is_clock_off(dispute: e.ClockDisputed | None) -> bool:
    return dispute is not None and dispute.is_blocking


def _clock_text(dispute: e.ClockDisputed | None) -> str:
    return "" if dispute is None else f"the broker's clock is {dispute.skew_s:+.0f} s from ours"


def _is_refused_for_long(state: State, policy: Policy) -> bool:
    since = state.figures.refused_at
    return since is not None and state.now - since >= policy.rival_wait
