"""What it takes to ask a data API."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class DataAccess:
    """Where the data API is, with which keys, which feed, and how long to wait for it."""

    key_id: str
    secret: str = field(repr=False)
    url: str
    feed: str = "sip"
    request_timeout_s: float = 10.0
    retry_wait_s: float = 1.0
    """Before the first repeat; doubled before each further one."""
    deadline_s: float = 90.0
    """For all requests of one load together."""
