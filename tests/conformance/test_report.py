"""The committed report says what the walks of this run saw."""

from tests.conformance.conftest import walk_of
from tests.conformance.report import PAPER, paper
from tests.conformance.walks import CLIENTS


def test_the_committed_report_is_what_the_walks_saw(walks, documents, found) -> None:
    for client in CLIENTS:
        walk_of(walks, client)
    assert PAPER.read_text("utf-8") == paper(walks, documents, found), "run: make conformance"
