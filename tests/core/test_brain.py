import pytest

from atlas_daemon.core.brain import FailureKind, SignalsError, alpaca_symbol


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
