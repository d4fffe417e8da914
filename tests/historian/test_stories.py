"""What was not done and why, and what a word on the command line means."""

from functools import cache
from itertools import pairwise

import pytest

from atlas_daemon.core.errors import UsageError
from atlas_daemon.historian import History, document, find, tell
from tests.historian import journals
from tests.historian.journals import texts

UNDONE = [
    (journals.untradable, "2024-02", "MSFT dropped from the run: untradable: active, not tradable"),
    (journals.refused_by_the_broker, "2024-02", "14 MSFT not bought: refused by the broker: not"),
    (journals.refused_by_the_broker, "MSFT", "(HTTP 403, code 40310000)"),
    (journals.rejected, "2024-02", "14 MSFT not bought: the order is rejected"),
    (journals.withheld, "2024-02-r1-buy-AAPL-1", "30 AAPL not bought: withheld by the fence: halt"),
    (journals.withheld, "2024-02", "not finished, aborted for now: stopped by operator"),
    (journals.trimmed, "AAPL", "the largest quantity that passes (actual "),
    (journals.two_thirds, "2024-02", "30% of the equity not deployed: TREND_NEUTRAL deploys 70%"),
    (journals.two_thirds, "AAPL", "AAPL not bought in full: target"),
    (journals.crash_at_the_slot, "AAPL", "pick AAPL not bought: CRASH deploys 0%"),
    (journals.missed, "2024-02", "no rebalance in slot 2024-02: not started by the close of"),
    (journals.frozen, "2024-02", "XOM frozen: neither bought nor sold until it is adopted:"),
    (journals.uncertified, "2024-02", "degraded for now: certificate: missing: it is not there"),
    (journals.uncertified, "2024-02", "scale 25 %: "),
    (journals.uncertified_slot, "2024-02", "not started by the close"),
    (journals.first_trade, "first-20240201-1", "costs 185.00: no whole share for 100.00 dollars"),
    (journals.unheeded_regime, "2024-02", "change from TREND_BULL to TREND_BEAR"),
]


@cache
def lived(journey):
    return journey()


@pytest.mark.parametrize(("journey", "word", "said"), UNDONE)
def test_what_was_not_done_is_said_with_its_reason(journey, word, said) -> None:
    world = lived(journey)
    history = History.of(world.journal)
    told = tell(history, find(history, word, world.policy), world.policy)
    assert said in texts(told.undone)
    for undone in told.undone:
        assert undone.seq == history.entry(undone.seq).seq


def test_a_slot_missed_for_want_of_a_certificate_says_so() -> None:
    world = lived(journals.uncertified_slot)
    history = History.of(world.journal)
    told = tell(history, find(history, "2024-02", world.policy), world.policy)
    said = " ".join(step.text for step in told.steps)
    assert "there is none: run `atlasd promote`" in said
    assert "slot 2024-02 is due and cannot begin: certificate: there is none" in said


def test_what_a_run_was_planned_on_names_scale_and_gate() -> None:
    world = lived(journals.uncertified)
    history = History.of(world.journal)
    told = tell(history, find(history, "2024-02", world.policy), world.policy)
    assert ("Scale", "25 % of normal sizes: real money begins small") in told.facts
    figures = " ".join(line for step in told.steps for line in step.figures)
    assert "(TREND_BULL) x scale 25 %: " in figures
    assert "scale: " in figures
    assert "missing: it is not there" in " ".join(step.text for step in told.steps)


def test_a_run_that_did_everything_has_nothing_undone() -> None:
    world = lived(journals.calm)
    history = History.of(world.journal)
    told = tell(history, find(history, "2024-02", world.policy), world.policy)
    assert told.undone == ()
    assert [order.status for order in told.orders] == ["filled"] * 3


def test_a_chain_leads_from_the_beat_to_the_fill_and_names_every_cause() -> None:
    world = lived(journals.calm)
    history = History.of(world.journal)
    word = "atlas-2024-02-r1-buy-AAPL-1"
    told = tell(history, find(history, word, world.policy), world.policy, is_whole=True)
    kinds = [step.kind for step in told.steps]
    wanted = ["Ticked", "RunStarted", "SignalsReported", "RunPlanned", "GatesAnswered"]
    wanted += ["OrderDrafted", "OrderApproved", "OrderSubmitted", "FillBooked"]
    assert [kind for kind in dict.fromkeys(kinds) if kind in wanted] == wanted
    shown = {step.seq for step in told.steps}
    for step in told.steps:
        if step.kind in ("OrderDrafted", "OrderApproved", "OrderSubmitted", "FillBooked"):
            assert step.cause in shown


def test_holdings_are_the_books_at_each_entry() -> None:
    world = lived(journals.withheld)
    history = History.of(world.journal)
    for symbol, moves in history.moves.items():
        assert moves[-1].after == world.state.book.positions.get(symbol, 0)
        for earlier, later in pairwise(moves):
            assert earlier.after == later.before


WORDS = [
    ("2024-02", "run", "2024-02"),
    ("aapl", "symbol", "AAPL"),
    ("XOM", "symbol", "XOM"),
    ("atlas-2024-02-r1-buy-AAPL-1", "order", "atlas-2024-02-r1-buy-AAPL-1"),
    ("b-atlas-2024-02-r1-buy-AAPL-1", "order", "atlas-2024-02-r1-buy-AAPL-1"),
    ("2024-02-r1-buy-A", "order", "atlas-2024-02-r1-buy-AAPL-1"),
    ("b-atlas-2024-02-r1-s", "order", "atlas-2024-02-r1-sell-XOM-1"),
    ("2024-08", "slot", "2024-08"),
    (" 2024-02 ", "run", "2024-02"),
]
NO_WORDS = [
    ("", "say what to explain"),
    ("NVDA", "no order, symbol, slot or run is called so; the 2 picks of 2024-01-31 are others"),
    ("2024-13", "there is no month 13"),
    ("2024-03", "no slot of the schedule in that month; runs: 2024-02"),
    ("2024-02-30", "no order, slot (YYYY-MM) or run is called so"),
    ("atlas-2024-02-r1-buy-", "is the beginning of 2 ids: atlas-2024-02-r1-buy-AAPL-1 "),
    ("42", "orders: 3"),
    ("x" * 500, "is called so"),
    ("\n\x1b[31m", "is called so"),
]


@pytest.fixture(scope="module")
def world():
    return lived(journals.calm)


@pytest.mark.parametrize(("word", "kind", "name"), WORDS)
def test_a_word_means_what_the_journal_has(world, word, kind, name) -> None:
    subject = find(History.of(world.journal), word, world.policy)
    assert (subject.kind, subject.name) == (kind, name)


@pytest.mark.parametrize(("word", "said"), NO_WORDS)
def test_a_word_that_means_nothing_or_two_things_is_refused_with_what_there_is(
    world, word, said
) -> None:
    with pytest.raises(UsageError) as refused:
        find(History.of(world.journal), word, world.policy)
    assert said in str(refused.value)
    assert len(str(refused.value)) < 500


def test_an_empty_journal_says_so(world) -> None:
    with pytest.raises(UsageError, match="the journal has no entry yet"):
        find(History.of([]), "AAPL", world.policy)


@pytest.mark.parametrize(
    ("slot", "said"),
    [("2024-08", "is due Thu, Aug 1, 2024"), ("2023-08", "neither due nor missed")],
)
def test_a_slot_that_no_entry_names_is_told_from_the_schedule(world, slot, said) -> None:
    history = History.of(world.journal)
    assert said in tell(history, find(history, slot, world.policy), world.policy).title


def test_the_document_has_every_figure_as_text_and_every_moment_in_utc(world) -> None:
    history = History.of(world.journal)
    told = document(tell(history, find(history, "AAPL", world.policy), world.policy))
    assert told["orders"][0]["filled_avg_price"] == "185.000000"
    assert told["holdings"][-1]["after"] == "30"
    assert told["steps"][0]["at"] == "2024-02-01T14:35:00Z"
