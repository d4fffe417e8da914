"""The wire between daemon and broker in a drill: every order that passes it is noted.

What is to happen to a word that passes is for the drill to say.
"""

import re
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from .broker import Broker
from .tap import Kind, Tap, Words

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
BY_ID = re.compile(rb"GET /v2/orders:by_client_order_id\?(?:[^ ]*&)?client_order_id=([^& ]+)")


@dataclass
class Post:
    """One time that an order was sent."""

    order_id: str
    at_s: float
    """Of this machine's monotonic clock."""
    has_arrived: bool = True
    """Whether it was passed on to the broker."""
    status: int | None = None
    """The broker's answer; None where none came."""
    answered_at_s: float | None = None


@dataclass
class Passed:
    """What passed so far."""

    posts: list[Post] = field(default_factory=list)
    looked_up: list[str] = field(default_factory=list)
    """Orders that were asked after by our id."""
    cancels: list[bool] = field(default_factory=list)
    """For each request to cancel, what `on_cancel` said as it passed."""
    frames: int = 0

    def posts_of(self, order_id: str) -> Sequence[Post]:
        """Return the times that an order was sent."""
        return [post for post in self.posts if post.order_id == order_id]


Strike = Callable[[Words], bool | bytes]
"""Told of each word before it is passed on; False swallows it and cuts the connection, bytes answer
it in the broker's place."""


class Wire:
    """The tap, what passed it, and who may strike at it."""

    def __init__(self, broker: Broker) -> None:
        self.passed = Passed()
        self.strike: Strike | None = None
        self.on_cancel: Callable[[], bool] = lambda: True
        self._lock = threading.Lock()
        self._tap = Tap(int(broker.url.rpartition(":")[2]), self._hear)
        self.url = self._tap.url
        self.refuse, self.accept, self.close = self._tap.refuse, self._tap.accept, self._tap.close

    def _hear(self, words: Words) -> bool | bytes:
        with self._lock:
            post = self._noted(words)
            strike = self.strike
        verdict = True if strike is None else strike(words)
        if post is not None and words.kind is Kind.ORDER:
            post.has_arrived = verdict is True
            if isinstance(verdict, bytes):
                _answer(post, verdict)
        return verdict

    def _noted(self, words: Words) -> Post | None:
        passed, now_s = self.passed, time.monotonic()
        match words.kind:
            case Kind.ORDER:
                passed.posts.append(Post(words.client_order_id, now_s))
                return passed.posts[-1]
            case Kind.ANSWER:
                _answer(passed.posts_of(words.client_order_id)[-1], words.text)
            case Kind.REQUEST:
                if (asked := BY_ID.match(words.text)) is not None:
                    passed.looked_up.append(asked[1].decode())
                elif words.text.startswith(b"DELETE /v2/orders"):
                    passed.cancels.append(self.on_cancel())
            case Kind.FRAME:
                passed.frames += 1
            case Kind.REPLY:
                pass
        return None


def _answer(post: Post, text: bytes) -> None:
    if (found := STATUS.match(text)) is not None:
        post.status, post.answered_at_s = int(found[1]), time.monotonic()
