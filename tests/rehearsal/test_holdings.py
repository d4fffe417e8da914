from decimal import Decimal

import pytest

from atlas_daemon.core.errors import ConfigError, UsageError
from atlas_daemon.rehearsal.holdings import read_holdings


def test_words_name_symbols_and_shares():
    assert read_holdings("MSFT=12.5, AAPL=40,BRK-B=1") == {
        "AAPL": 40,
        "BRK.B": 1,
        "MSFT": Decimal("12.5"),
    }


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not of the form SYMBOL=QTY"),
        ("AAPL", "'AAPL' is not of the form SYMBOL=QTY"),
        ("aapl=4", "'aapl' is no ticker symbol"),
        ("AAPL=0", "the quantity '0' of AAPL is no number above 0"),
        ("AAPL=-4", "the quantity '-4' of AAPL"),
        ("AAPL=nan", "the quantity 'nan' of AAPL"),
        ("AAPL=1e9", "the quantity '1e9' of AAPL"),
        ("AAPL=4,AAPL=5", "AAPL stands there twice"),
    ],
)
def test_a_bad_word_is_named(text, said):
    with pytest.raises(UsageError, match="--holdings: ") as caught:
        read_holdings(text)
    assert said in str(caught.value)


def test_a_file_has_a_line_for_each_holding(tmp_path):
    path = tmp_path / "held.csv"
    path.write_text("qty,symbol\n40,AAPL\n\n1.5,BRK-B\n")
    assert read_holdings(str(path)) == {"AAPL": 40, "BRK.B": Decimal("1.5")}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: the columns must be symbol,qty"),
        ("symbol,shares\nAAPL,4\n", "line 1: the columns must be symbol,qty"),
        ("symbol,qty\nAAPL,4\nMSFT\n", "line 3: has not 2 fields"),
        ("symbol,qty\nAAPL,4\nAAPL,5\n", "line 3: AAPL stands there twice"),
        ("symbol,qty\nAAPL,\n", "line 2: the quantity '' of AAPL"),
        ('symbol,qty\n"AAPL,4\n', "cannot be read as holdings"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, said):
    path = tmp_path / "held.csv"
    path.write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_holdings(str(path))
    assert str(path) in str(caught.value)
    assert said in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(
        ConfigError, match=r"nowhere\.csv: cannot be read as holdings: No such file"
    ):
        read_holdings(str(tmp_path / "nowhere.csv"))
