"""Evidence on record: what can stand as a word, and that the latest under a name counts."""

from dataclasses import replace

import pytest

from atlas_daemon.core import events as e
from atlas_daemon.core.evidence import KINDS, why_unfit

from .builders import NOW, a_state, secs
from .playbook import given

WORD = e.EvidenceReported(
    "drill", "kill9", True, "killed 9 times, 0 orders twice", *["ab" * 32] * 2
)


def test_the_latest_word_under_a_kind_and_a_name_counts() -> None:
    failed = replace(WORD, is_good=False, text="an order was sent twice")
    other = replace(WORD, kind="restore", name="kill9")
    turn = given(a_state()).when(WORD, other, failed, at=NOW + secs(9))
    assert {key: (seen.word, seen.at) for key, seen in turn.state.evidence.items()} == {
        ("drill", "kill9"): (failed, NOW + secs(9)),
        ("restore", "kill9"): (other, NOW + secs(9)),
    }


def test_a_word_is_written_and_decides_nothing() -> None:
    turn = given(a_state()).when(WORD)
    assert [entry.event for entry in turn.turn.entries] == [WORD]
    assert turn.happened == []


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_fit(kind: str) -> None:
    assert why_unfit(replace(WORD, kind=kind)) == ""


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"kind": "profit"}, "kind 'profit' is none of drill, doctor"),
        ({"kind": ""}, "kind ''"),
        ({"name": ""}, "name ''"),
        ({"name": "two words"}, "name 'two words'"),
        ({"name": "x" * 121}, "without a space"),
        ({"text": ""}, "text: one line"),
        ({"text": "two\nlines"}, "text: one line"),
        ({"text": "x" * 501}, "text: one line"),
        ({"code_digest": ""}, "code_digest ''"),
        ({"config_digest": "AB" * 32}, "config_digest 'ABAB"),
    ],
)
def test_what_is_no_evidence_is_named(change, said: str) -> None:
    assert said in why_unfit(replace(WORD, **change))
