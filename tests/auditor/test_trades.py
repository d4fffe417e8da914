"""The trades files against the journal: whatever is changed in a file is found and named."""

import gzip

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.auditor import compare_trades
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.records.trades_csv import COLUMNS, header, rows, seen, text_of
from tests.historian.journals import demo

NAME = "trades_2026-02-02.csv"


def told_rows():
    orders, found = {}, []
    for entry in demo():
        found += rows(entry, orders)
        if (order := seen(orders, entry)) is not None:
            orders[order.draft.order_id] = order
    return found


ROWS = told_rows()
LINES = [header(), *(text_of([row]) for row in ROWS)]


def compare(folder, lines=None, name=NAME, redact=str):
    if lines is not None:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("".join(lines), encoding="utf-8")
    return compare_trades(folder, demo(), redact)


def test_a_file_as_the_daemon_wrote_it_has_no_difference(tmp_path) -> None:
    verdict = compare(tmp_path, LINES)
    assert (verdict.files, verdict.rows, verdict.difference) == (1, len(ROWS), None)


def test_archived_and_compressed_files_are_compared_too(tmp_path) -> None:
    (tmp_path / "archive").mkdir()
    path = tmp_path / "archive" / f"{NAME}.gz"
    path.write_bytes(gzip.compress("".join(LINES).encode()))
    assert compare(tmp_path).difference is None
    path.write_bytes(gzip.compress("".join(LINES).replace("CSCO", "CSCX").encode()))
    assert str(compare(tmp_path).difference).startswith(
        f"archive/{NAME}.gz, line 3, column symbol: 'CSCX', the journal says 'CSCO'"
    )
    path.write_bytes(path.read_bytes()[:-20])
    assert "cannot be read" in str(compare(tmp_path).difference)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("logs")


@settings(max_examples=25, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_changed_cell_is_named_with_its_line_and_column(folder, data) -> None:
    place = data.draw(st.integers(1, len(ROWS)))
    column = data.draw(st.integers(0, len(COLUMNS) - 1))
    cells = LINES[place].removesuffix("\n").split(",")
    cells[column] += data.draw(st.sampled_from(["0", "x", " "]))
    lines = [*LINES[:place], ",".join(cells) + "\n", *LINES[place + 1 :]]
    difference = compare(folder, lines).difference
    assert (difference.file, difference.line) == (NAME, place + 1)
    assert difference.column == COLUMNS[column]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_row_that_is_taken_out_put_in_or_moved_is_named(folder, data) -> None:
    place = data.draw(st.integers(1, len(ROWS) - 1))
    lines = list(LINES)
    match data.draw(st.sampled_from(["out", "in", "moved"])):
        case "out":
            del lines[place]
        case "in":
            lines.insert(place, LINES[place].replace("market", "limit"))
        case "moved":
            lines[place], lines[place + 1] = lines[place + 1], lines[place]
    difference = compare(folder, lines).difference
    assert (difference.file, difference.line) == (NAME, place + 1)


def without_the_last(lines):
    return lines[:-1]


FILES = [
    (without_the_last, f"line {len(ROWS)}: 1 rows of the journal are missing after it"),
    (lambda lines: lines[:1], f"line 1: {len(ROWS)} rows of the journal are missing"),
    (lambda lines: [*lines, lines[-1]], f"line {len(ROWS) + 2}: the journal has no such row"),
    (lambda lines: [*lines[:-1], lines[-1][:30]], "the last line is cut off"),
    (lambda lines: ["a,b\n", *lines[1:]], "line 1: the columns are not timestamp,"),
    (lambda lines: [], "line 1: the columns are not timestamp,"),
    (lambda lines: [*lines[:2], "a,b\n", *lines[3:]], "line 3: 2 cells, not 15"),
    (lambda lines: [*lines[:2], '"never closed\n'], "cannot be read"),
]


@pytest.mark.parametrize(("change", "said"), FILES)
def test_a_file_of_another_shape_is_named(tmp_path, change, said) -> None:
    assert said in str(compare(tmp_path, change(LINES)).difference)


def test_a_missing_file_is_named_with_what_the_journal_has(tmp_path) -> None:
    said = str(compare(tmp_path).difference)
    assert said == f"{NAME}: the file is missing: the journal has {len(ROWS)} rows of that day"


def test_a_file_of_a_day_without_rows_is_named(tmp_path) -> None:
    compare(tmp_path, LINES)
    difference = compare(tmp_path, LINES[:2], name="trades_2026-02-01.csv").difference
    assert str(difference).startswith("trades_2026-02-01.csv, line 2: the journal has no such row")


def test_other_files_of_the_folder_are_left_alone(tmp_path) -> None:
    compare(tmp_path, LINES)
    for name in ("trades_2026-02-30.csv", "trades.csv", "execution_2026-02-02.log", "x.csv"):
        (tmp_path / name).write_text("rubbish")
    assert compare(tmp_path).difference is None


def test_bytes_that_are_no_text_are_a_difference_and_no_traceback(tmp_path) -> None:
    (tmp_path / NAME).write_bytes(b"\xff\xfe\x00")
    assert "cannot be read" in str(compare(tmp_path).difference)


def test_a_file_that_is_a_folder_is_an_error_of_one_line(tmp_path) -> None:
    (tmp_path / NAME).mkdir()
    with pytest.raises(ConfigError, match="cannot be read"):
        compare(tmp_path)


def test_what_was_hidden_when_it_was_written_is_hidden_in_the_journals_row_too(tmp_path) -> None:
    lines = [line.replace("CSCO", "***") for line in LINES]
    assert compare(tmp_path, lines).difference is not None
    assert compare(tmp_path, redact=lambda text: text.replace("CSCO", "***")).difference is None


def test_a_cell_with_lines_of_its_own_does_not_shift_the_numbers(tmp_path) -> None:
    cells = LINES[2].split(",")
    cells[8] = '"two\nlines"'
    lines = [*LINES[:2], ",".join(cells), *LINES[3:]]
    assert compare(tmp_path, lines).difference.line == 3
    assert compare(tmp_path, lines).difference.column == "error"
