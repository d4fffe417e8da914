"""netcut, mute-stream, 429, accept504: what can go wrong on the line to the broker."""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from atlas_daemon.core import events as e

from .books import Books
from .processes import until, wait_while
from .scene import FAST, Scene, Setting
from .tap import Kind, Words
from .verdicts import Check, whole

CUT_S = 3.0
"""Seconds of this machine that the network is gone; ten times as many of the broker's."""
REFUSED_MAX = 3
RETRY_AFTER_S = 2
SLACK_S = 0.05
"""Two clocks of one machine, read a moment apart."""
TOO_MANY = (
    b"HTTP/1.1 429 Too Many Requests\r\nContent-Type: application/json\r\n"
    b"Retry-After: %d\r\nContent-Length: 33\r\n\r\n"
    b'{"message": "too many requests."}'
)
ORDERS = {"method": "POST", "path": "/v2/orders"}


@dataclass
class Cut:
    """What was seen of a network that went away."""

    order_ids: list[str] = field(default_factory=list)
    """Orders whose answers were lost with it."""
    filled: int = 0
    """Executions at the broker while nobody could hear of them."""
    seconds: Decimal = Decimal(0)
    """Of the broker's time."""


def netcut(setting: Setting) -> Iterator[Check]:
    """Cut the network as a buy is accepted and its answer is on its way; put it back later."""
    with setting.scene() as scene:
        cut, has_come = Cut(), threading.Event()

        def strike(words: Words) -> bool:
            if words.kind is Kind.ANSWER and "-buy-" in words.client_order_id:
                cut.order_ids.append(words.client_order_id)
                has_come.set()
            return not has_come.is_set()

        scene.wire.strike = strike
        scene.fall_due()
        until("answer to a buy", has_come.is_set)
        _gone(scene, cut)
        scene.is_done()
        scene.ends_well()
        yield from judge_netcut(scene.books(), cut, scene.wire.passed.looked_up)


def _gone(scene: Scene, cut: Cut) -> None:
    """Keep the network away for a while, and look what happens meanwhile."""
    scene.wire.refuse()
    began_at, filled = scene.now(), scene.broker.fills()
    scene.say("the network is cut amid the buys")
    scene.broker.speed(FAST)
    wait_while(lambda: scene.daemon.status() is not None, CUT_S)
    cut.seconds = Decimal(round((scene.now() - began_at).total_seconds()))
    cut.filled = scene.broker.fills() - filled
    scene.wire.strike = None
    scene.wire.accept()
    scene.say(f"the network is back after {cut.seconds} s; {cut.filled} fills came meanwhile")


def judge_netcut(books: Books, cut: Cut, looked_up: Sequence[str]) -> Iterator[Check]:
    """Judge what both sides wrote: what was in doubt was asked after and nothing sent again."""
    asked = set(cut.order_ids) & {*looked_up, *_reported(books)}
    yield Check(
        "cut",
        bool(cut.order_ids) and asked == set(cut.order_ids),
        f"network gone for {cut.seconds} s, {len(cut.order_ids)} answers lost, {len(asked)} of "
        f"these orders found again, {cut.filled} fills meanwhile",
    )
    yield from whole(books)


def _reported(books: Books) -> set[str]:
    """Orders of which a list or a look-up told."""
    return {x.order_id for x in books.all(e.OrderReported) if x.source != "stream"}


def mute_stream(setting: Setting) -> Iterator[Check]:
    """Let the stream say that it listens and bring nothing: fills are found by asking."""
    with setting.scene() as scene:
        scene.broker.fault(kind="mute_stream")
        scene.say("the stream listens, answers pings and brings nothing")
        scene.fall_due()
        until("order", lambda: scene.broker.account()["orders"])
        scene.is_done()
        scene.ends_well()
        yield from judge_mute(scene.books())


def judge_mute(books: Books) -> Iterator[Check]:
    """Judge what both sides wrote: not one fill came by the stream, and none is missing."""
    told = len(books.all(e.OrderFilled))
    booked = len(books.all(e.FillBooked))
    yield Check(
        "mute",
        told == 0 and booked > 0,
        f"fills told by the stream: {told}, found by asking: {booked}",
    )
    yield from whole(books)


def too_many(setting: Setting) -> Iterator[Check]:
    """Answer orders with 429 and Retry-After: nothing was done, so they are sent once more."""
    with setting.scene() as scene:
        refused: list[str] = []

        def strike(words: Words) -> bool | bytes:
            if words.kind is not Kind.ORDER or len(refused) >= REFUSED_MAX:
                return True
            if words.client_order_id in refused:
                return True
            refused.append(words.client_order_id)
            return TOO_MANY % RETRY_AFTER_S

        scene.wire.strike = strike
        scene.fall_due()
        until("order", lambda: scene.broker.account()["orders"])
        scene.is_done()
        scene.say(f"{len(refused)} orders were answered 429, Retry-After: {RETRY_AFTER_S}")
        scene.ends_well()
        yield from judge_429(scene.books())


def judge_429(books: Books) -> Iterator[Check]:
    """Judge what passed: each refused order waited as long as it was told, and went once more."""
    refused = [post for post in books.posts if post.status == 429]
    waits: list[float] = []
    for post in refused:
        again = [p for p in books.posts if p.order_id == post.order_id and p.at_s > post.at_s]
        if again and post.answered_at_s is not None:
            waits.append(again[0].at_s - post.answered_at_s)
    shortest_s = min(waits, default=0.0)
    yield Check(
        "429",
        bool(refused) and shortest_s >= RETRY_AFTER_S - SLACK_S,
        f"orders answered 429: {len(refused)}, sent once more {len(waits)}, the soonest after "
        f"{shortest_s:.1f} s (told to wait {RETRY_AFTER_S} s)",
    )
    yield from whole(books)


def accept504(setting: Setting) -> Iterator[Check]:
    """Accept orders and answer 504: they are asked after by id, and not sent again."""
    with setting.scene() as scene:
        scene.broker.fault(kind="accept_then_504", count=REFUSED_MAX, **ORDERS)
        scene.say(f"the next {REFUSED_MAX} orders are accepted and answered 504")
        scene.fall_due()
        until("order", lambda: scene.broker.account()["orders"])
        scene.is_done()
        scene.ends_well()
        yield from judge_504(scene.books(), scene.wire.passed.looked_up)


def judge_504(books: Books, looked_up: Sequence[str]) -> Iterator[Check]:
    """Judge what passed: each order in doubt was sent once and asked after."""
    doubted = {post.order_id for post in books.posts if post.status == 504}
    sent = Counter(post.order_id for post in books.posts)
    again = sorted(order_id for order_id in doubted if sent[order_id] > 1)
    asked = doubted & set(looked_up)
    yield Check(
        "504",
        bool(doubted) and not again and asked == doubted,
        f"orders accepted and answered 504: {len(doubted)}, asked after by id {len(asked)}, "
        f"sent again {len(again)}",
    )
    yield from whole(books)
