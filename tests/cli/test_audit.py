"""`atlasd audit`: what was altered is named; an export proves itself to anybody with sha256."""

import csv
import hashlib
import io
import json
import sqlite3
from pathlib import Path

import pytest

from atlas_daemon.records.lines import day_of
from atlas_daemon.records.trades_csv import header, rows, seen, text_of
from tests.cli.journals import write_demo, write_journal
from tests.cli.test_explain import forge
from tests.historian import journals

FIRST_HASH = "0" * 64


@pytest.fixture
def head(shell):
    """The head of a journal of one demo in the shell's state folder."""
    return write_demo(shell.settings)


def write_trades(shell) -> list[str]:
    """Write the trades file of the demo's day as the daemon does, and return its lines."""
    orders, found = {}, []
    for entry in journals.demo():
        found += rows(entry, orders)
        if (order := seen(orders, entry)) is not None:
            orders[order.draft.order_id] = order
        day = day_of(entry.at)
    shell.settings.log_dir.mkdir()
    path = shell.settings.log_dir / f"trades_{day}.csv"
    path.write_text(header() + text_of(found), encoding="utf-8")
    return path.read_text("utf-8").splitlines(keepends=True)


def exported(name: str) -> list[dict[str, object]]:
    return [json.loads(line) for line in Path(name).read_text("utf-8").splitlines()]


def check_by_hand(lines) -> str:
    """Recheck an export with nothing but hashlib, as the help says; return the last hash."""
    prev = None
    for line in lines:
        cause = "" if line["cause"] in (None, "") else line["cause"]
        assert prev in (None, line["prev_hash"])
        if str(line["seq"]) == "1":
            assert line["prev_hash"] == FIRST_HASH
        parts = (line["prev_hash"], line["seq"], line["at"], cause, line["type"], line["payload"])
        made = hashlib.sha256("|".join(map(str, parts)).encode()).hexdigest()
        assert made == line["hash"]
        prev = made
    return prev


def test_a_whole_journal_is_intact_and_its_head_is_told(shell, head) -> None:
    said = shell("audit", "verify")
    assert said.exit_code == 0
    assert f"198 entries, each follows from the one before; head 198:{head[1]}" in said.output
    assert "no head given" in said.output


def test_a_head_kept_elsewhere_is_looked_for(shell, head) -> None:
    given = f"{head[0]}:{head[1]}"
    assert "entry 198, is among them" in shell("audit", "verify", "--head", given).output
    forge(shell, "DELETE FROM entries WHERE seq > 190")
    assert shell("audit", "verify").exit_code == 0
    said = shell("audit", "verify", "--head", given)
    assert said.exit_code == 1
    assert "entry 198 is missing: the journal ends at 190" in said.output


@pytest.mark.parametrize("text", ["198", "198:abc", "x:" + "0" * 64, "", "-1:" + "0" * 64])
def test_a_head_that_is_none_is_one_line_and_exit_2(shell, head, text) -> None:
    said = shell("audit", "verify", "--head", text)
    assert (said.exit_code, len(said.output.splitlines())) == (2, 1)
    assert "--head" in said.output


FORGERIES = [
    ("UPDATE entries SET payload = replace(payload, '245', '246') WHERE seq = 93", 93),
    ("UPDATE entries SET at = '2026-02-02T14:34:52.191634Z' WHERE seq = 2", 2),
    ("UPDATE entries SET cause = 2 WHERE seq = 3", 3),
    ("UPDATE entries SET type = 'RunFinished' WHERE seq = 100", 100),
    ("DELETE FROM entries WHERE seq = 77", 77),
    ("DELETE FROM entries WHERE seq = 1", 1),
]


@pytest.mark.parametrize(("statement", "seq"), FORGERIES)
def test_the_first_entry_that_is_altered_or_missing_is_named(shell, head, statement, seq) -> None:
    forge(shell, statement)
    said = shell("audit", "verify", "--csv", "--json")
    told = json.loads(said.output)
    assert said.exit_code == 1
    assert (told["is_intact"], told["fault"]["seq"], told["trades"]) == (False, seq, None)
    assert f"entry {seq} " in told["fault"]["text"]


def test_entries_in_another_order_are_named(shell, head) -> None:
    swap = "UPDATE entries SET seq = {} WHERE seq = {}"
    forge(shell, swap.format(-1, 50), swap.format(50, 51), swap.format(51, -1))
    assert "NOT INTACT: entry 50 was altered or moved" in shell("audit", "verify").output


def test_a_file_that_is_no_journal_is_exit_78(shell, head) -> None:
    shell.settings.journal_path.write_bytes(b"rubbish" * 100)
    for command in ("verify", "export"):
        said = shell("audit", command)
        assert (said.exit_code, len(said.output.splitlines())) == (78, 1)


def test_no_journal_is_one_line(shell) -> None:
    said = shell("audit", "verify")
    assert (said.exit_code, len(said.output.splitlines())) == (1, 1)


def test_an_empty_journal_is_intact(shell) -> None:
    write_journal(shell.settings, [])
    assert f"0 entries, each follows from the one before; head 0:{FIRST_HASH}" in (
        shell("audit", "verify", "--head", f"0:{FIRST_HASH}").output
    )


def test_trades_files_are_compared_and_a_difference_is_named(shell, head) -> None:
    lines = write_trades(shell)
    said = shell("audit", "verify", "--csv")
    assert said.exit_code == 0
    assert f"trades: {len(lines) - 1} rows in 1 files, as the journal tells them" in said.output
    path = next(shell.settings.log_dir.iterdir())
    path.write_text("".join(lines).replace("CSCO,FILL,200,156.99", "CSCO,FILL,200,159.99"))
    said = shell("audit", "verify", "--csv")
    assert said.exit_code == 1
    assert (
        "trades_2026-02-02.csv, line 7, column price: '159.99', the journal says '156.99'"
        in said.output
    )
    told = json.loads(shell("audit", "verify", "--csv", "--json").output)
    assert told["trades"]["difference"]["column"] == "price"


def test_an_export_proves_itself_with_hashlib_only(shell, head) -> None:
    said = shell("audit", "export", "--out", "all.jsonl")
    assert said.exit_code == 0
    lines = exported("all.jsonl")
    assert check_by_hand(lines) == head[1]
    assert len(lines) == 198
    assert list(lines[0]) == [
        *("seq", "at", "cause", "type", "payload", "prev_hash", "hash", "is_redacted"),
        "account",
    ]


def test_an_export_as_csv_proves_itself_too(shell, head) -> None:
    said = shell("audit", "export", "--format", "csv", "--out", "all.csv")
    assert said.exit_code == 0
    told = Path("all.csv").read_text("utf-8")
    assert check_by_hand(csv.DictReader(io.StringIO(told))) == head[1]


@pytest.mark.parametrize(
    ("bounds", "first", "last", "count"),
    [
        (("--from", "10", "--to", "12"), 10, 12, 3),
        (("--from", "195"), 195, 198, 4),
        (("--to", "3"), 1, 3, 3),
        (("--from", "2026-02-02", "--to", "2026-02-02"), 1, 198, 198),
        (("--from", "190", "--to", "2026-02-02"), 190, 198, 9),
        (("--from", "2026-02-03"), None, None, 0),
        (("--to", "2026-02-01"), None, None, 0),
    ],
)
def test_a_part_of_it_proves_itself_as_well(shell, head, bounds, first, last, count) -> None:
    assert shell("audit", "export", *bounds, "--out", "some.jsonl").exit_code == 0
    lines = exported("some.jsonl")
    assert len(lines) == count
    if lines:
        check_by_hand(lines)
        assert (lines[0]["seq"], lines[-1]["seq"]) == (first, last)


@pytest.mark.parametrize(
    ("bounds", "said"),
    [
        (("--from", "12", "--to", "10"), "--from 12 is after --to 10"),
        (("--from", "2026-02-03", "--to", "2026-02-01"), "is after"),
        (("--from", "2026-02-30"), "--from: '2026-02-30' is neither"),
        (("--to", "-1"), "--to: '-1' is neither"),
        (("--out", "state/x"), "--out: state/x is a folder, or in the state folder"),
        (("--out", "."), "--out: . is a folder"),
    ],
)
def test_bounds_and_files_that_cannot_be_are_one_line_and_exit_2(shell, head, bounds, said) -> None:
    answer = shell("audit", "export", *bounds)
    assert (answer.exit_code, len(answer.output.splitlines())) == (2, 1)
    assert said in answer.output


def test_an_export_of_an_altered_journal_names_the_entry_and_leaves_no_file(shell, head) -> None:
    forge(shell, "UPDATE entries SET payload = '{}' WHERE seq = 60")
    said = shell("audit", "export", "--out", "all.jsonl")
    assert said.exit_code == 78
    assert "entry 60 was altered or moved" in said.output
    assert list(Path().glob("*all*")) == []


def test_a_secret_that_got_into_an_entry_is_not_exported(shell, monkeypatch) -> None:
    secret = "PK" + "A1B2C3D4E5F6G7H8"
    write_demo(shell.settings)
    journal = sqlite3.connect(shell.settings.journal_path)
    (seq, last) = journal.execute("SELECT seq, hash FROM entries ORDER BY seq DESC").fetchone()
    payload = json.dumps({"by": f"key {secret}"})
    text = f"{last}|{seq + 1}|2026-02-02T14:36:00Z||ShutdownRequested|{payload}"
    made = hashlib.sha256(text.encode()).hexdigest()
    row = (seq + 1, "2026-02-02T14:36:00Z", None, "ShutdownRequested", payload, made)
    journal.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
    journal.commit()
    journal.close()
    said = shell("audit", "export", "--from", str(seq + 1), "--out", "one.jsonl")
    assert said.exit_code == 0
    assert secret not in Path("one.jsonl").read_text("utf-8")
    (told,) = exported("one.jsonl")
    assert told["is_redacted"] is True
    assert told["hash"] == made


def test_standard_output_has_the_lines_and_nothing_else(shell, head) -> None:
    said = shell("audit", "export", "--to", "2", "--format", "csv")
    assert len(list(csv.reader(io.StringIO(said.stdout)))) == 3
