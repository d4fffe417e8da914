from datetime import date
from decimal import Decimal

import pytest

from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.strategy.targets_file import read_targets, refuse_unknown

DAY = date(2027, 1, 29)
HEADER = "symbol,weight,as_of\n"


def targets_file(tmp_path, text):
    path = tmp_path / "targets.csv"
    path.write_text(text)
    return path


def test_a_good_file_is_read_in_its_order(tmp_path):
    text = HEADER + "MSFT,0.25,2027-01-29\n\nBRK-B, .75 ,2027-01-29\n"
    targets = read_targets(targets_file(tmp_path, text), DAY)
    assert [(target.symbol, target.weight, target.line) for target in targets] == [
        ("MSFT", Decimal("0.25"), 2),
        ("BRK.B", Decimal("0.75"), 4),
    ]


def test_columns_in_another_order_and_a_byte_order_mark_are_read(tmp_path):
    text = "\ufeffas_of,symbol,weight\n2027-01-29,SPY,1\n"
    assert read_targets(targets_file(tmp_path, text), DAY)[0].weight == 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, "cannot be read as targets"),
        ("", "line 1: the columns must be symbol,weight,as_of"),
        (HEADER, "has no targets"),
        ("symbol,weight\nSPY,1\n", "line 1: the columns must be"),
        ("symbol,weight,as_of,why\n", "line 1: the columns must be"),
        (HEADER + "SPY,1\n", "line 2: has not 3 fields"),
        (HEADER + "SPY,1,2027-01-29,x\n", "line 2: has not 3 fields"),
        (HEADER + "SPY,NaN,2027-01-29\n", "line 2: the weight 'NaN' of SPY"),
        (HEADER + "SPY,inf,2027-01-29\n", "line 2: the weight 'inf' of SPY"),
        (HEADER + "SPY,-0.1,2027-01-29\n", "line 2: the weight '-0.1' of SPY"),
        (HEADER + "SPY,0,2027-01-29\n", "line 2: the weight '0' of SPY"),
        (HEADER + "SPY,,2027-01-29\n", "line 2: the weight '' of SPY"),
        (HEADER + "SPY,1.01,2027-01-29\n", "line 2: the weight '1.01' of SPY"),
        (HEADER + "SPY,10%,2027-01-29\n", "line 2: the weight '10%' of SPY"),
        (HEADER + "SPY,1e-1,2027-01-29\n", "line 2: the weight '1e-1' of SPY"),
        (HEADER + "SPY,1,2027-01-28\n", "line 2: as_of 2027-01-28 is not the signal session"),
        (HEADER + "SPY,1,29.1.2027\n", "line 2: as_of '29.1.2027' is no date"),
        (HEADER + "spy,1,2027-01-29\n", "line 2: 'spy' is no ticker symbol"),
        (
            HEADER + "SPY,.1,2027-01-29\nIVV,.1,2027-01-29\nSPY,.1,2027-01-29\n",
            "line 4: SPY stands in line 2 too",
        ),
        (
            HEADER + "BRK-B,.1,2027-01-29\nBRK.B,.1,2027-01-29\n",
            "line 3: BRK.B stands in line 2 too",
        ),
        (
            HEADER + "SPY,.6,2027-01-29\nIVV,.400001,2027-01-29\n",
            "line 3: the weights add up to 1.000001, more than 1",
        ),
        (HEADER + "SPY,.6,2027-01-29\nIVV,.4,2027-01-28\n", "line 3: as_of 2027-01-28"),
        (HEADER + '"SPY,1,2027-01-29\n', "cannot be read as targets"),
    ],
)
def test_s144_a_flawed_file_is_refused_whole_with_its_line(tmp_path, text, words):
    path = tmp_path / "targets.csv" if text is None else targets_file(tmp_path, text)
    with pytest.raises(SignalsError) as caught:
        read_targets(path, DAY)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert caught.value.kind is FailureKind.DATA


def test_bytes_that_are_no_text_are_refused(tmp_path):
    path = tmp_path / "targets.csv"
    path.write_bytes(b"\xff\xfes\x00")
    with pytest.raises(SignalsError, match="cannot be read as targets"):
        read_targets(path, DAY)


def test_s144_a_symbol_that_the_bars_do_not_know_is_refused_with_its_line(tmp_path):
    path = targets_file(tmp_path, HEADER + "SPY,.5,2027-01-29\nZZZ,.5,2027-01-29\n")
    targets = read_targets(path, DAY)
    refuse_unknown(path, targets, {"SPY", "ZZZ"})
    with pytest.raises(SignalsError, match="line 3: ZZZ is unknown"):
        refuse_unknown(path, targets, {"SPY"})
