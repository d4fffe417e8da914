from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from atlas_daemon.core.brain import (
    FailureKind,
    SignalsAnswer,
    SignalsError,
    alpaca_symbol,
    refuse_unusable,
)
from atlas_daemon.core.values import Pick, Regime, Symbol


@pytest.mark.parametrize(
    ("text", "symbol"),
    [("AAPL", "AAPL"), (" BRK-B ", "BRK.B"), ("BF-B", "BF.B"), ("BRK.B", "BRK.B"), ("V", "V")],
)
def test_a_ticker_gets_alpacas_spelling(text, symbol):
    assert alpaca_symbol(text) == symbol


@pytest.mark.parametrize(
    "text", ["", "aapl", "^VIX", "A B", "AAPL240119C00100000", "BRK..B", "1A", "BTC/USD"]
)
def test_what_cannot_be_a_ticker_is_refused(text):
    with pytest.raises(SignalsError, match="is no ticker symbol"):
        alpaca_symbol(text)


@pytest.mark.parametrize(
    ("kind", "code"), [(FailureKind.CONFIG, 78), (FailureKind.DATA, 1), (FailureKind.EMPTY, 1)]
)
def test_a_failure_is_one_line_with_the_exit_code_of_its_kind(kind, code):
    error = SignalsError("first\n  second", kind)
    assert str(error) == "first second"
    assert error.exit_code == code


DAY = date(2024, 1, 31)


def a_pick(symbol="AAA", weight="0.5", close="10"):
    return Pick(Symbol(symbol), Decimal(weight), Decimal(close))


ANSWER = SignalsAnswer(
    signal_day=DAY,
    picks=(a_pick("AAA"), a_pick("BBB")),
    closes={"AAA": Decimal(10), "SPY": Decimal(400)},
    refused=(),
    candidates=2,
    notes=(),
    regime=Regime.TREND_BULL,
    regime_as_of=DAY,
)


def test_an_answer_that_can_be_traded_on_passes():
    refuse_unusable(ANSWER, DAY)
    refuse_unusable(replace(ANSWER, picks=()), DAY)
    sevenths = tuple(a_pick(name, str(Decimal(1) / 7)) for name in "ABCDEFG")
    refuse_unusable(replace(ANSWER, picks=sevenths), DAY)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"signal_day": date(2024, 1, 30)}, "signals of 2024-01-30, asked for 2024-01-31"),
        ({"regime": None}, "no regime"),
        ({"regime_as_of": None}, "no regime"),
        ({"picks": (a_pick("AAA", "0.6"), a_pick("BBB", "0.5"))}, "add up to 1.1, above 1"),
        ({"picks": (a_pick("AAA"), a_pick("AAA"))}, "AAA more than once"),
        ({"picks": (a_pick("AAA", "0"),)}, "weight 0 of AAA"),
        ({"picks": (a_pick("AAA", "-0.1"),)}, "weight -0.1 of AAA"),
        ({"picks": (a_pick("AAA", "NaN"),)}, "weight NaN of AAA"),
        ({"picks": (a_pick("AAA", "0.5", "-1"),)}, "close -1 of AAA"),
        ({"closes": {"SPY": Decimal("NaN")}}, "close NaN of SPY"),
        ({"closes": {"SPY": Decimal(0)}}, "close 0 of SPY"),
        ({"splits": {"AAA": Decimal(0)}}, "split 0 of AAA"),
        ({"splits": {"AAA": Decimal("NaN")}}, "split NaN of AAA"),
    ],
)
def test_s144_an_answer_that_nothing_may_be_traded_on_is_refused(change, said):
    with pytest.raises(SignalsError, match=said):
        refuse_unusable(replace(ANSWER, **change), DAY)
