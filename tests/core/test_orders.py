"""The table of an order's steps: every status against every news, and its picture in docs."""

from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.core.errors import UnlawfulStepError
from atlas_daemon.core.orders import BROKER_NEWS, DONE, STEPS, OrderNews, OrderStatus, step
from atlas_daemon.core.values import OrderId

from .builders import NOW, an_order

S, N = OrderStatus, OrderNews
BROKERS = (N.WORKING, N.CANCELING, N.FILLED, N.CANCELED, N.EXPIRED, N.REPLACED, N.REJECTED)
ENDS = {N.FILLED: S.FILLED, N.CANCELED: S.CANCELED, N.EXPIRED: S.EXPIRED}
ENDS |= {N.REPLACED: S.REPLACED, N.REJECTED: S.REJECTED}
LIVED = (S.FILLED, S.CANCELED, S.EXPIRED, S.REPLACED, S.REJECTED)
NEVER_LIVED = (S.REFUSED, S.WITHHELD, S.LAPSED)
OPEN = (S.SENDING, S.UNKNOWN, S.WORKING, S.CANCELING)
AN_ID = OrderId("atlas-x")
DIAGRAM = Path(__file__).parents[2] / "docs" / "order-states.md"

# Expected by hand: status, then what our own news makes of it; a dash raises.
OWN = """
status     refused   withheld  unconfirmed resent   cancel-asked lapsed
sending    refused   withheld  unknown     -        sending      -
unknown    unknown   unknown   unknown     sending  unknown      lapsed
working    working   working   working     -        canceling    -
canceling  canceling canceling canceling   -        canceling    -
filled     filled    filled    filled      -        -            -
canceled   canceled  canceled  canceled    -        -            -
expired    expired   expired   expired     -        -            -
replaced   replaced  replaced  replaced    -        -            -
rejected   rejected  rejected  rejected    -        -            -
refused    refused   refused   refused     -        -            -
withheld   withheld  withheld  withheld    -        -            -
lapsed     lapsed    lapsed    lapsed      -        -            -
"""


def own_cells():
    head, *rows = [line.split() for line in OWN.strip().splitlines()]
    for status, *cells in rows:
        for news, after in zip(head[1:], cells, strict=True):
            yield S(status), N(news.replace("-", " ")), None if after == "-" else S(after)


@pytest.mark.parametrize(("status", "news", "after"), list(own_cells()))
def test_our_own_news_must_be_lawful(status, news, after) -> None:
    if after is None:
        with pytest.raises(UnlawfulStepError, match=f"is {status}: {news} is not a lawful step"):
            step(AN_ID, status, news)
    else:
        assert step(AN_ID, status, news) is after


def test_the_table_has_a_row_for_each_status_and_names_all_news() -> None:
    assert set(STEPS) == set(S)
    assert {news for row in STEPS.values() for news in row} == set(N)


@pytest.mark.parametrize("status", S)
@pytest.mark.parametrize("news", BROKERS)
def test_the_brokers_word_is_lawful_in_every_status(status, news) -> None:
    assert step(AN_ID, status, news) in S


@pytest.mark.parametrize("status", [*OPEN, *NEVER_LIVED])
@pytest.mark.parametrize("news", ENDS)
def test_s042_an_end_told_by_the_broker_ends_what_is_open_or_was_thought_never_to_live(
    status, news
) -> None:
    assert step(AN_ID, status, news) is ENDS[news]


@pytest.mark.parametrize("status", LIVED)
def test_s085_s087_a_complete_fill_beats_every_other_end(status) -> None:
    assert step(AN_ID, status, N.FILLED) is S.FILLED


@pytest.mark.parametrize("status", LIVED)
@pytest.mark.parametrize("news", [n for n in BROKERS if n is not N.FILLED])
def test_s088_s099_an_end_stays_an_end_whatever_comes_late(status, news) -> None:
    assert step(AN_ID, status, news) is status


@pytest.mark.parametrize("status", NEVER_LIVED)
def test_s160_an_order_thought_never_to_have_lived_may_turn_out_to_live(status) -> None:
    assert step(AN_ID, status, N.WORKING) is S.WORKING


def test_an_order_being_cancelled_stays_so_while_the_broker_says_it_works() -> None:
    assert step(AN_ID, S.CANCELING, N.WORKING) is S.CANCELING


@pytest.mark.parametrize(
    ("word", "news"),
    [
        ("new", N.WORKING),
        ("accepted", N.WORKING),
        ("pending_new", N.WORKING),
        ("accepted_for_bidding", N.WORKING),
        ("partially_filled", N.WORKING),
        ("done_for_day", N.WORKING),
        ("stopped", N.WORKING),
        ("suspended", N.WORKING),
        ("calculated", N.WORKING),
        ("held", N.WORKING),
        ("pending_replace", N.WORKING),
        ("pending_review", N.WORKING),
        ("pending_cancel", N.CANCELING),
        ("filled", N.FILLED),
        ("canceled", N.CANCELED),
        ("expired", N.EXPIRED),
        ("replaced", N.REPLACED),
        ("rejected", N.REJECTED),
    ],
)
def test_s095_each_status_of_alpaca_has_a_defined_effect(word, news) -> None:
    assert BROKER_NEWS[word] is news


def test_no_status_of_alpaca_is_left_out_of_the_test_above() -> None:
    assert len(BROKER_NEWS) == 18


def test_only_ends_are_done() -> None:
    assert set(S) - set(OPEN) == DONE


def test_s081_two_fills_blend_their_prices_exactly() -> None:
    order = an_order(qty="30").with_fill(Decimal(10), Decimal("100.10"), "x1", NOW)
    order = order.with_fill(Decimal(20), Decimal("100.40"), "", NOW)
    assert (order.filled_qty, order.filled_avg_price) == (Decimal(30), Decimal("100.30"))
    assert order.executions == {"x1": (Decimal(10), Decimal("100.10"))}


def test_an_order_without_fills_has_no_average_price() -> None:
    assert an_order().filled_avg_price is None


def test_an_ended_order_has_nothing_open() -> None:
    assert an_order(status="canceled").open_qty == 0
    assert an_order(qty="10", filled_qty=Decimal(4)).open_qty == 6


def mermaid() -> str:
    """Draw the table: one arrow for each pair of statuses, the news on it."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for status, row in STEPS.items():
        for news, after in row.items():
            if after is not status:
                arrows.setdefault((status, after), []).append(news)
    lines = ["stateDiagram-v2", "    [*] --> sending: submitted"]
    for (before, after), news in sorted(arrows.items()):
        lines.append(f"    {before} --> {after}: {', '.join(sorted(news))}")
    lines += [f"    {status} --> [*]" for status in sorted(DONE)]
    return "\n".join(lines)


def page() -> str:
    return f"""# The states of an order

Drawn from `STEPS` in `atlas_daemon/core/orders.py`; a test compares.
A news that leaves the status as it is has no arrow; one that is not in the table raises.

```mermaid
{mermaid()}
```
"""


def test_the_picture_in_docs_is_the_table() -> None:
    import os

    if os.environ.get("TRANSCRIPTS") == "write":
        DIAGRAM.parent.mkdir(exist_ok=True)
        DIAGRAM.write_text(page(), encoding="utf-8")
    assert DIAGRAM.read_text(encoding="utf-8") == page(), "TRANSCRIPTS=write draws it anew"
