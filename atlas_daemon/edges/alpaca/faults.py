"""What an answer of Alpaca means. Pure: status, headers and body in, a verdict out.

The rule of the house: only what proves that nothing happened is a refusal; what proves nothing
is unknown and is asked after. 40310000 stands for many situations, so text decides the kind.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Any

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.edges.alpaca.scalars import WireError, excerpt, read, said

RESET_MAX_S, RESET_PAST_S = 3600.0, 60.0
"""A reset later than in an hour or earlier than a minute ago is no limit per minute."""
CODE_DIGITS_MAX = 18


class RefusalKind(StrEnum):
    """Why the broker said no; what we do not recognise is `other`, and fails closed."""

    INSUFFICIENT_BUYING_POWER = "insufficient_buying_power"
    INSUFFICIENT_QTY = "insufficient_qty"
    WASH_TRADE = "wash_trade"
    SUSPENDED_BY_USER = "suspended_by_user"
    DUPLICATE_CLIENT_ORDER_ID = "duplicate_client_order_id"
    NOT_TRADABLE = "not_tradable"
    NOT_FRACTIONABLE = "not_fractionable"
    NOT_FOUND = "not_found"
    NOT_CANCELABLE = "not_cancelable"
    PARAMETER = "parameter"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Accepted:
    """2xx: the body is still to be read, and unknown again where it cannot be."""

    status: int


@dataclass(frozen=True, slots=True)
class Refused:
    """The broker understood and said no."""

    status: int
    code: int | None
    message: str
    kind: RefusalKind
    extras: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_final(self) -> bool:
        """False for 422 and 409: on a submit the order may exist already, so ask by its id."""
        return self.status not in {409, 422}


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody can say whether the request took effect."""

    detail: str
    may_have_arrived: bool = True
    """False where no connection came about: not a byte has left."""
    is_transient: bool = True
    """True where asking again may help (network, 5xx)."""


@dataclass(frozen=True, slots=True)
class NoVerdict:
    """Credentials or the account's rights: says nothing about the order; asking again storms."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """429, or our own budget is spent: not processed."""

    wait_s: float | None
    """How long to wait; None where nobody says."""
    was_sent: bool = True
    """False where our own budget withheld the request."""


Verdict = Accepted | Refused | Unknown | NoVerdict | RateLimited


class BrokerRefusedError(AtlasError):
    """The broker refused; `refused` is the record."""

    def __init__(self, what: str, refused: Refused) -> None:
        self.refused = refused
        code = "" if refused.code is None else f"/{refused.code}"
        super().__init__(f"{what}: refused ({refused.status}{code}): {refused.message}")


class OutcomeUnknownError(AtlasError):
    """No answer that can be trusted; `unknown` is the record."""

    def __init__(self, what: str, unknown: Unknown) -> None:
        self.unknown = unknown
        super().__init__(f"{what}: outcome unknown: {unknown.detail}")


class NoVerdictError(AtlasError):
    """The credentials are refused or may not do this; `no_verdict` is the record."""

    exit_code = 78

    def __init__(self, what: str, no_verdict: NoVerdict) -> None:
        self.no_verdict = no_verdict
        detail = f"HTTP {no_verdict.status} {no_verdict.message}"
        super().__init__(f"{what}: Alpaca refuses the credentials ({detail})")


class RateLimitedError(AtlasError):
    """Too many requests; `limited` is the record."""

    def __init__(self, what: str, limited: RateLimited) -> None:
        self.limited = limited
        when = "" if limited.wait_s is None else f", wait {limited.wait_s:.1f} s"
        super().__init__(f"{what}: rate limited{when}")


def classify(
    method: str,
    status: int | None,
    body: bytes = b"",
    headers: Mapping[str, str] = MappingProxyType({}),
    failure: BaseException | None = None,
    *,
    may_have_arrived: bool = True,
    wall_s: float | None = None,
) -> Verdict:
    """Say what came back: `failure` is the transport's, else `status` and `body` are the answer's.

    `headers` by their canonical names; `wall_s` is our epoch time, for X-RateLimit-Reset without
    a Date header.
    """
    if failure is not None or status is None:
        text = excerpt(str(failure)) if failure is not None else "no answer"
        name = type(failure).__name__ if failure is not None else "NoAnswer"
        return Unknown(f"{name} {text}".strip(), may_have_arrived)
    if 200 <= status < 300:
        return Accepted(status)
    if status == 429:
        return RateLimited(wait_of(headers, wall_s))
    code, message, extras = _error_of(body)
    detail = f"HTTP {status} {message}".strip()
    if status == 401 or (status == 403 and code is None):
        return NoVerdict(status, message or "no reason given")
    if status >= 500 or status in {408, 425}:
        return Unknown(detail)
    # A page of some machine in between carries no code: it is not the broker's word.
    if status == 400 or (400 < status < 500 and (code is not None or status == 422)):
        kind = _kind(method, status, code, message, extras)
        return Refused(status, code, message or detail, kind, MappingProxyType(extras))
    return Unknown(detail, is_transient=False)


def error_for(what: str, verdict: Refused | Unknown | NoVerdict | RateLimited) -> AtlasError:
    """Return the exception that carries `verdict`; `what` names the request."""
    match verdict:
        case Refused():
            return BrokerRefusedError(what, verdict)
        case Unknown():
            return OutcomeUnknownError(what, verdict)
        case NoVerdict():
            return NoVerdictError(what, verdict)
        case RateLimited():
            return RateLimitedError(what, verdict)


def wait_of(headers: Mapping[str, str], wall_s: float | None = None) -> float | None:
    """Seconds to wait after a 429: Retry-After (seconds or date), else X-RateLimit-Reset.

    The answer's own Date is "now" where it has one, so that a clock of ours set wrong does no harm.
    """
    date_s = _http_date(headers.get("Date", ""))
    now_s = date_s if date_s is not None else wall_s
    after = headers.get("Retry-After", "").strip()
    wait = _digits(after)
    if wait is None:
        until = _http_date(after)
        if until is None:
            until = _digits(headers.get("X-RateLimit-Reset", "").strip())
        if until is None or now_s is None:
            return None
        wait = until - now_s
    # Far off either way, the two clocks have nothing to do with each other: nobody says.
    return max(0.0, wait) if -RESET_PAST_S <= wait <= RESET_MAX_S else None


def _digits(text: str) -> float | None:
    return float(text) if text.isascii() and text.replace(".", "", 1).isdigit() else None


def _http_date(text: str) -> float | None:
    if not text or text.isdigit():
        return None
    try:
        moment: datetime = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _error_of(body: bytes) -> tuple[int | None, str, dict[str, str]]:
    """Code, message and extras of an error body; HTML and damage give no code and an excerpt."""
    try:
        fields = read(body, dict[str, Any], "error")
    except WireError:
        return None, excerpt(body), {}
    code, message = fields.pop("code", None), fields.pop("message", "")
    if isinstance(code, str) and code.isascii() and code.isdigit() and len(code) <= CODE_DIGITS_MAX:
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool) or abs(code) >= 10**CODE_DIGITS_MAX:
        code = None
    return code, said(message), {excerpt(key): said(fields[key]) for key in fields}


TEXTS: tuple[tuple[str, RefusalKind], ...] = (
    ("client_order_id must be unique", RefusalKind.DUPLICATE_CLIENT_ORDER_ID),
    ("insufficient buying power", RefusalKind.INSUFFICIENT_BUYING_POWER),
    ("insufficient qty", RefusalKind.INSUFFICIENT_QTY),
    ("not allowed to short", RefusalKind.INSUFFICIENT_QTY),
    ("wash trade", RefusalKind.WASH_TRADE),
    ("rejected by user request", RefusalKind.SUSPENDED_BY_USER),
    ("not fractionable", RefusalKind.NOT_FRACTIONABLE),
    ("not tradable", RefusalKind.NOT_TRADABLE),
    ("could not find asset", RefusalKind.NOT_TRADABLE),
    ("order is already in", RefusalKind.NOT_CANCELABLE),
    ("not cancelable", RefusalKind.NOT_CANCELABLE),
    ("order is not open", RefusalKind.NOT_CANCELABLE),
)
"""Messages as captured (lower case, the part that stays the same), in order of precedence."""

PARAMETER_CODES = {40010000, 40010001, 42210000}


def _kind(
    method: str, status: int, code: int | None, message: str, extras: Mapping[str, str]
) -> RefusalKind:
    text = message.lower()
    for part, kind in TEXTS:
        if part in text:
            return kind
    if method == "POST" and "asset not found" in text:
        return RefusalKind.NOT_TRADABLE
    if status == 404:
        return RefusalKind.NOT_FOUND
    if status == 403:
        return _kind_by_extras(extras)
    if status == 422 and method == "DELETE":
        return RefusalKind.NOT_CANCELABLE if code == 42210000 else RefusalKind.OTHER
    if status == 400 or code in PARAMETER_CODES:
        return RefusalKind.PARAMETER
    return RefusalKind.OTHER


def _kind_by_extras(extras: Mapping[str, str]) -> RefusalKind:
    """403 with new words: the extras still tell the three that a later attempt may get past."""
    if "existing_order_id" in extras and "reject_reason" in extras:
        return RefusalKind.WASH_TRADE
    if "held_for_orders" in extras or "existing_qty" in extras:
        return RefusalKind.INSUFFICIENT_QTY
    if "buying_power" in extras and "cost_basis" in extras:
        return RefusalKind.INSUFFICIENT_BUYING_POWER
    return RefusalKind.OTHER
