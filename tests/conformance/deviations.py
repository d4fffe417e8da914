"""Where the local broker answers otherwise than the published documents say, and why it should.

Only what is known of real answers stands here. A deviation that is not listed fails, and so does a
listed one that no longer occurs.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property


@dataclass(frozen=True)
class Deviation:
    """Lines of `Documents.deviations` that match `lines`, and the reason for them."""

    lines: str
    reason: str

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(self.lines)


LISTED = (
    Deviation(
        r"\w+ /v2/(orders|positions)\S* 20[07]: \$\S*\.(source|subtag) is not in the schema",
        "Real paper orders of October 2026 have both, null.",
    ),
    Deviation(
        r"\w+ /v2/orders\S* 200: \$\S*legs\[\]\.expires_at is not in the schema",
        "A leg is an order, and alpaca-py reads it as one; its own schema lacks this key.",
    ),
    Deviation(
        r"GET /v2/account 200: \$\.(admin_configurations|user_configurations|crypto_tier"
        r"|effective_buying_power|position_market_value) is not in the schema",
        "The account of a real paper account of October 2026 has these five keys.",
    ),
    Deviation(
        r"GET /v2/assets\S* 200: \$\S*\.easy_to_borrow is not in the schema",
        "Deprecated, and still sent in October 2026; alpaca-py cannot read an asset without it.",
    ),
    Deviation(
        r"DELETE /v2/positions 207: \$\[\]\.body ('\w+' is a required property"
        r"|\.\w+ is not in the schema)|DELETE /v2/positions 207: \$\[\]\.body\.(available|code"
        r"|existing_qty|held_for_orders|message|related_orders|symbol) is not in the schema",
        "The schema has orders only as bodies. A position that cannot be closed has a refusal "
        "there; alpaca-py has a model for it (FailedClosePositionDetails).",
    ),
    Deviation(
        r"GET /v2/account/activities/\{activity_type\} 200: \$\[\] fits several branches of oneOf",
        "The schema cannot be met: it wants exactly one of two branches, neither of which requires "
        "anything, so that every activity fits both. Its keys are compared all the same.",
    ),
    Deviation(
        r"GET /v2/account/activities\S* 200: \$\[\]\.description is not in the schema",
        "alpaca-py cannot read an activity that is no trade without its description.",
    ),
    Deviation(
        r"GET /v2beta1/events/activities 200: \$\[\]\.details fits no branch of oneOf",
        "The schema cannot be met: what it requires of a withdrawal every other kind has as well, "
        "and it wants exactly one to fit. Each kind is held against its own branch by a test.",
    ),
    Deviation(
        r"DELETE /v2/orders 207: \$\[\]\.body is not in the schema",
        "An order that cannot be cancelled has its refusal there; alpaca-py's model has the field.",
    ),
    Deviation(
        r"GET /v2/events/trades 200: not documented",
        "Where Alpaca's Go client has its trade updates from; the Trading document leaves it out.",
    ),
    Deviation(
        r"\w+ \S+ 401: text/html",
        "Without a key the gateway in front of the API answers, in HTML.",
    ),
)


def unlisted(lines: Iterable[str]) -> list[str]:
    """Return the deviations that nobody has given a reason for."""
    return sorted({line for line in lines if not any(d.pattern.fullmatch(line) for d in LISTED)})


def obsolete(lines: Iterable[str]) -> list[str]:
    """Return the listed deviations that do not occur."""
    seen = set(lines)
    return [d.lines for d in LISTED if not any(d.pattern.fullmatch(line) for line in seen)]
