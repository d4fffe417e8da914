"""A user's mistake at `atlasd run`: one line, the right exit code, nothing sent."""

import socket
from collections.abc import Iterator

import pytest

from tests.e2e.processes import Place, a_place

pytestmark = pytest.mark.e2e


@pytest.fixture
def place() -> Iterator[Place]:
    with a_place() as made:
        yield made


def _line(place: Place, code: int) -> str:
    done = place.run("run")
    assert done.returncode == code, done.stderr
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("atlasd: ")
    return line


def test_an_unknown_key_ends_with_78_and_is_named(place: Place) -> None:
    line = _line(place.write(risk__max_positon_pct="0.2"), 78)
    assert "risk.max_positon_pct" in line
    assert not place.state.exists()


def test_missing_credentials_end_with_78_and_name_the_variables(place: Place) -> None:
    line = _line(place.write(account__mode='"paper"'), 78)
    assert "ALPACA_PROOF_KEY" in line
    assert "ALPACA_PROOF_SECRET" in line


def test_a_local_broker_that_does_not_answer_ends_with_one(place: Place) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}"
    line = _line(place.write(url), 1)
    assert f"the local broker at {url} does not answer" in line


def test_a_journal_that_is_none_ends_with_78_and_stays_as_it_is(place: Place) -> None:
    place.state.mkdir()
    journal = place.state / "journal.db"
    journal.write_bytes(b"not a journal\n" * 100)
    keys = {"ALPACA_PROOF_KEY": "PK0123456789ABCDEFGH", "ALPACA_PROOF_SECRET": "x" * 40}
    place.environ |= keys
    line = _line(place.write(account__mode='"paper"'), 78)
    assert str(journal) in line
    assert journal.read_bytes() == b"not a journal\n" * 100
