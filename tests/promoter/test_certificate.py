"""The certificate: what counts, and each way in which it does not, by the name of its gate."""

import json
import os
import stat
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.core.errors import AtlasError
from atlas_daemon.promoter.certificate import (
    SIZE_MAX,
    UnfitError,
    document_of,
    judged,
    read_certificate,
    sealed,
    unsealed,
    write_certificate,
)
from tests.promoter.wallet import CODE, NOW, SECRET, bearer_in, certified, settings_in


def word_of(settings, at=NOW, secret=SECRET, code=CODE):
    return read_certificate(settings.state_dir / "certificate.json", settings, secret, at, code)


@pytest.fixture
def live(tmp_path):
    return settings_in(tmp_path)


def test_a_whole_one_counts_from_its_issue_to_its_end(live):
    certified(live)
    for at in (NOW, NOW + timedelta(days=399, hours=23)):
        word = word_of(live, at)
        assert (word.problem, word.expires_at) == ("", NOW + timedelta(days=400))
        assert word.certificate_id.startswith("20270115-")


def test_it_is_for_its_owner_only_and_holds_no_secret(live):
    path = certified(live)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SECRET not in path.read_text()
    assert [each.name for each in path.parent.iterdir()] == ["certificate.json"]


def edited(path, **changes):
    document = json.loads(path.read_bytes())
    path.write_text(json.dumps({**document, **changes}, indent=1, sort_keys=True) + "\n")


def resealed(live, secret, **changes):
    """A forger who knows the format and has a secret of his own."""
    bearer = bearer_in(live, secret)
    document = document_of(bearer, NOW, timedelta(days=400), {"evidence": []}) | changes
    (live.state_dir / "certificate.json").write_bytes(sealed(document, bearer))


DEEP = b'{"x":' + b"[" * 900 + b"]" * 900 + b","
FORGERIES = {
    "gone": (lambda path, live: path.unlink(), "missing: "),
    "empty": (lambda path, live: path.write_bytes(b""), "damaged: "),
    "cut short": (lambda path, live: path.write_bytes(path.read_bytes()[:-3]), "damaged: "),
    "not JSON": (lambda path, live: path.write_text("certificate: yes\n"), "damaged: "),
    "a list": (lambda path, live: path.write_text("[1]\n"), "damaged: "),
    "deep": (lambda path, live: path.write_text("[" * 99_999), "damaged: "),
    "deep within": (
        lambda path, live: path.write_bytes(path.read_bytes().replace(b"{", DEEP, 1)),
        ("damaged: ", "forged: "),
    ),
    "bytes": (lambda path, live: path.write_bytes(b"\xff\xfe\x00"), "damaged: "),
    "a longer life": (
        lambda path, live: edited(path, expires_at="2099-01-01T00:00:00+00:00"),
        "fo",
    ),
    "another seal": (lambda path, live: edited(path, seal="0" * 64), "forged: "),
    "no seal": (lambda path, live: edited(path, seal=None), "forged: "),
    "a seal that is a list": (lambda path, live: edited(path, seal=["0"]), "forged: "),
    "a broken text": (lambda path, live: edited(path, seal="\ud800"), "forged: "),
    "sealed with other keys": (lambda path, live: resealed(live, "paper-secret"), "forged: "),
    "a newer format": (lambda path, live: edited(path, format=2), "newer version: "),
    "a format that is a text": (lambda path, live: edited(path, format="1"), "damaged: "),
    "a format that is a flag": (lambda path, live: edited(path, format=True), "damaged: "),
    "no account": (lambda path, live: edited(path, account="LIVE"), "damaged: "),
    "other white space": (
        lambda path, live: path.write_text(json.dumps(json.loads(path.read_bytes()))),
        "damaged: ",
    ),
    "a byte more": (lambda path, live: path.write_bytes(path.read_bytes() + b"\n"), "damaged: "),
    "a folder": (lambda path, live: (path.unlink(), path.mkdir()), "unreadable: "),
    "a pipe": (lambda path, live: (path.unlink(), os.mkfifo(path)), "unreadable: "),
    "a link": (
        lambda path, live: (path.rename(path.with_name("x")), path.symlink_to("x")),
        "unreadable: ",
    ),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_s177_what_is_no_whole_certificate_of_ours_is_refused_by_its_gate(live, name):
    spoil, gate = FORGERIES[name]
    spoil(certified(live), live)
    word = word_of(live)
    assert word.problem.startswith(gate), word.problem
    assert (word.certificate_id, word.expires_at) == ("", None)
    assert "\n" not in word.problem
    assert SECRET not in word.problem


@pytest.mark.parametrize("name", ["a folder", "a pipe", "a link", "not JSON"])
def test_looking_at_what_is_none_leaves_nothing_open(live, name):
    FORGERIES[name][0](certified(live), live)
    before = open_files()
    for _ in range(3):
        assert word_of(live).problem
    assert open_files() == before


def open_files():
    return len(list(Path("/proc/self/fd").iterdir()))


def test_one_that_is_too_long_is_not_even_read(live):
    path = certified(live)
    path.write_bytes(path.read_bytes() + b" " * SIZE_MAX)
    assert "is too long for a certificate" in word_of(live).problem


def test_one_that_may_not_be_read_is_refused(live, monkeypatch):
    certified(live)

    def refused(*args):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", refused)
    assert word_of(live).problem.startswith("unreadable: ")
    assert word_of(live).problem.endswith("Permission denied")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"account.number": "111"}, "is of LIVE 847563829, this is LIVE 111"),
        ({"account.name": "OTHER"}, "is of LIVE 847563829, this is OTHER 847563829"),
    ],
)
def test_one_of_another_account_is_foreign(live, tmp_path, more, said):
    certified(live)
    word = word_of(settings_in(tmp_path, **more))
    assert word.problem.startswith("foreign account: ")
    assert said in word.problem


def test_a_foreign_name_that_nobody_vouches_for_is_not_repeated(live):
    edited(certified(live), account={"name": "\x1b[2J", "number": 7})
    assert "is of (unreadable) (unreadable), this is LIVE" in word_of(live).problem


@pytest.mark.parametrize(
    ("more", "section"),
    [
        ({"strategy.top_n": 5}, "[strategy]"),
        ({"regime.lambda": 2}, "[regime]"),
        ({"risk.max_position_pct": Decimal("0.1")}, "[risk]"),
        ({"rebalance.rounds": 2}, "[rebalance]"),
        ({"strategy.top_n": 5, "risk.cash_reserve_pct": Decimal("0.02")}, "[strategy], [risk]"),
    ],
)
def test_s177_other_sections_are_named(live, tmp_path, more, section):
    certified(live)
    word = word_of(settings_in(tmp_path, **more))
    assert word.problem.startswith(f"other sections: {section} changed")
    assert word.certificate_id


def test_sections_that_are_not_bound_may_change(live, tmp_path):
    certified(live)
    other = settings_in(tmp_path, **{"notify.daily": True, "reconcile.every_s": 30})
    assert word_of(other).problem == ""


def test_other_code_is_refused(live):
    certified(live)
    assert word_of(live, code="dead" * 16).problem.startswith("other code: ")


def test_a_clock_that_was_set_back_before_its_issue_is_refused(live):
    certified(live)
    assert word_of(live, NOW - timedelta(seconds=59)).problem == ""
    word = word_of(live, NOW - timedelta(seconds=61))
    assert word.problem.startswith("clock set back: it says 2027-01-15 14:58 UTC")


def test_s177_it_ends_to_the_second(live):
    certified(live)
    end = NOW + timedelta(days=400)
    assert word_of(live, end - timedelta(seconds=1)).problem == ""
    assert word_of(live, end).problem.startswith("expired: on 2028-02-19 15:00 UTC")


RAW = {}


def raw_of(tmp_path_factory):
    if not RAW:
        live = settings_in(tmp_path_factory.mktemp("live"))
        RAW.update(bytes=certified(live).read_bytes(), bearer=bearer_in(live))
    return RAW["bytes"], RAW["bearer"]


def refused(raw, bearer):
    try:
        certificate = unsealed(raw, bearer, "certificate.json")
    except UnfitError:
        return True
    return bool(judged(certificate, bearer, NOW).problem)


@given(place=st.integers(0, 10**6), byte=st.integers(0, 255), how=st.sampled_from("srid"))
def test_any_edit_of_a_single_byte_is_refused(tmp_path_factory, place, byte, how):
    raw, bearer = raw_of(tmp_path_factory)
    place %= len(raw)
    one = bytes([byte])
    new = {
        "s": raw[:place] + one + raw[place + 1 :],
        "i": raw[:place] + one + raw[place:],
        "d": raw[:place] + raw[place + 1 :],
        "r": raw[:place] + raw[place : place + 1] + raw[place:],
    }[how]
    assert refused(new, bearer) is (new != raw)


def test_every_flipped_bit_is_refused(tmp_path_factory):
    raw, bearer = raw_of(tmp_path_factory)
    assert not refused(raw, bearer)
    for place in range(len(raw)):
        flipped = bytes([raw[place] ^ (1 << place % 8)])
        assert refused(raw[:place] + flipped + raw[place + 1 :], bearer), place


def test_a_seal_is_of_name_and_number_besides_the_secret(live):
    raw = certified(live).read_bytes()
    bearer = bearer_in(live)
    document = json.loads(raw)
    document["account"] = {"name": "LIVE", "number": "1"}
    other = replace(bearer, number="1")
    moved = json.dumps(document, indent=1, sort_keys=True).encode() + b"\n"
    with pytest.raises(UnfitError, match=r"^forged: "):
        unsealed(moved, other, "certificate.json")


def test_a_write_that_fails_leaves_the_old_one_and_no_draft(live, monkeypatch):
    path = certified(live)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(AtlasError, match="No space left"):
        write_certificate(path, b"new")
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["certificate.json"]


def test_a_bearer_shows_no_secret(live):
    assert SECRET not in repr(bearer_in(live))
