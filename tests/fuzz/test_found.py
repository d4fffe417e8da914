"""Bodies that once got past a parser, or brought one down. Each was found by fuzzing."""

import json
from datetime import UTC, date, datetime

import pytest

from atlas_daemon.config import load_settings
from atlas_daemon.config.kinds import OneOrSeveral, UnfitError, choice, symbols
from atlas_daemon.core.brain import SignalsError, refuse_unusable
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.edges.alpaca import frames, wire
from atlas_daemon.edges.alpaca.faults import NoVerdict, Refused, classify
from atlas_daemon.edges.alpaca.scalars import WireError, number
from atlas_daemon.edges.alpaca.transport import _count
from atlas_daemon.edges.brain import REPLY_MAX, read_reply
from atlas_daemon.edges.quotes import latest_trades
from atlas_daemon.journal import Journal
from atlas_daemon.journal.codec import decode, moment
from atlas_daemon.journal.errors import JournalError
from tests.edges import samples
from tests.fuzz.bounds import LINE_MAX
from tests.fuzz.files import journal_bytes
from tests.fuzz.rooms import ROOMS, complaints, reply

DEPTHS = (100, 130, 300, 400, 480, 600, 900, 2_000, 100_000)
TEN_MILLION = "x" * 10_000_000


def with_legs(depth: int) -> str:
    order = '{"id":"a","status":"new"'
    return f'{order},"legs":[' * depth + order + "}" + "]}" * depth


@pytest.mark.parametrize("depth", DEPTHS)
def test_legs_of_legs_without_end_do_not_bring_the_reader_down(depth: int) -> None:
    text = with_legs(depth)
    try:
        assert len(wire.order(text).legs) == 1  # Alpaca's legs have none of their own
    except WireError as error:
        assert len(str(error)) < LINE_MAX
    frame = f'{{"stream":"trade_updates","data":{{"event":"new","order":{text}}}}}'
    try:
        frames.frame(frame)
    except WireError as error:
        assert len(str(error)) < LINE_MAX


@pytest.mark.parametrize("depth", DEPTHS)
def test_a_figure_nested_without_end_is_no_figure(depth: int) -> None:
    body = json.dumps(samples.an_order())[:-1] + ',"qty":' + "[" * depth + "]" * depth + "}"
    with pytest.raises(WireError):
        wire.order(body)


@pytest.mark.parametrize("depth", DEPTHS)
def test_what_is_nested_without_end_in_a_refusal_a_reply_or_a_row_is_harmless(depth: int) -> None:
    deep = "[" * depth + "]" * depth
    assert classify("POST", 422, f'{{"code":1,"x":{deep}}}'.encode())
    with pytest.raises(SignalsError):
        read_reply(f'{{"ok":false,"x":{deep}}}'.encode(), b"", 0)
    try:
        decode(1, "Ticked", f'{{"x":{deep}}}')
    except JournalError as error:
        assert "Ticked cannot be read" in str(error)


def test_a_code_of_five_thousand_digits_is_no_code() -> None:
    for code in ('"' + "9" * 5000 + '"', "9" * 5000, "9" * 4000, "1" + "0" * 18):
        verdict = classify("POST", 422, f'{{"code":{code},"message":"no"}}'.encode())
        assert isinstance(verdict, Refused)
        assert verdict.code is None
        assert isinstance(classify("GET", 403, f'{{"code":{code}}}'.encode()), NoVerdict)
    complaint = frames.frame(b'{"stream":"error","data":{"code":' + b"9" * 4000 + b"}}")
    assert complaint == frames.Complaint(None, "no reason given")


def test_a_header_of_five_thousand_digits_counts_nothing() -> None:
    assert _count("9" * 5000) is None
    assert _count("999999999") == 999_999_999


@pytest.mark.parametrize("text", ["1." + "1" * 1_000_000, "1e-999", "0e-999", "9" * 16 + "." * 60])
def test_a_number_has_digits_that_can_be_kept(text: str) -> None:
    for raw in (text, f'"{text}"'):
        with pytest.raises(WireError):
            number(raw.strip('"'), "qty")


def test_what_floats_leave_behind_is_still_a_number() -> None:
    assert number("2.220446049250313e-16", "qty") is not None
    assert number("450.2533333333333333", "price") is not None
    assert number("0.000000000000000000", "qty") == 0


@pytest.mark.parametrize("room", ROOMS, ids=str)
def test_ten_million_characters_in_any_place_are_answered_in_one_line(room) -> None:
    """In the first place of a room that takes text; as the whole body of one that does not."""
    sample = room.samples[0]
    text = sample if isinstance(sample, bytes) else json.dumps(sample).encode()
    before, quote, after = text.partition(b'": "')
    body = before + quote + TEN_MILLION.encode() + after if quote else TEN_MILLION.encode()
    assert list(complaints(room, body)) == []


def test_a_list_of_streams_is_not_heard_beyond_its_bounds() -> None:
    body = {"stream": "listening", "data": {"streams": ["trade_updates" * 400]}}
    with pytest.raises(WireError):
        frames.frame(json.dumps(body))


def test_a_name_that_breaks_lines_is_told_in_one() -> None:
    with pytest.raises(WireError) as caught:
        latest_trades(b'{"trades":{"\\u2028\\n":{"t":"odd","p":1}}}')
    assert len(str(caught.value).splitlines()) == 1


def test_a_damaged_journal_is_refused_in_one_line(tmp_path) -> None:
    """SQLite quotes the file in its complaints: bytes that are no text, and line breaks."""
    good = journal_bytes()
    at = good.index(b"CREATE TABLE entries")
    path = tmp_path / "journal.db"
    for odd in (b"\xc3(", b"ULL,\n  c)", b"\x00\x00"):
        path.write_bytes(good[:at] + odd + good[at + len(odd) :])
        with pytest.raises(JournalError) as caught:
            Journal.open_readonly(path)
        assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("value", ["9e999999999999999999", "1e999999999", "1e-999999999", "1e16"])
@pytest.mark.parametrize("place", ["weight", "close", "ratio", "closes"])
def test_a_figure_of_the_strategy_is_one_that_can_be_reckoned_with(value: str, place: str) -> None:
    answer = reply()["answer"]
    picks = [dict(pick) for pick in answer["picks"]]
    if place == "closes":
        body = reply(closes={"SPY": value})
    else:
        picks[0][place] = value
        body = reply(picks=picks)
    with pytest.raises(SignalsError, match=r"above 0|above 1|ended with"):
        refuse_unusable(read_reply(json.dumps(body).encode(), b"", 0), date(2027, 1, 29))


def test_a_child_that_says_no_in_empty_words_or_babbles_is_told_so() -> None:
    with pytest.raises(SignalsError, match="no reason given"):
        read_reply(b'{"ok":false,"error":"\\r\\n"}', b"", 0)
    with pytest.raises(SignalsError, match="the child ended with 0"):
        read_reply(b" " * REPLY_MAX, b"", 0)
    with pytest.raises(SignalsError) as caught:
        read_reply(json.dumps({"ok": False, "error": TEN_MILLION}).encode()[:REPLY_MAX], b"", 0)
    assert len(str(caught.value)) < LINE_MAX


def test_a_moment_at_the_edge_of_time_is_no_moment_of_the_journal() -> None:
    for text in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"):
        with pytest.raises(JournalError, match="is no time in UTC"):
            moment(1, text)
    assert moment(1, "2027-02-01T14:35:00Z") == datetime(2027, 2, 1, 14, 35, tzinfo=UTC)


@pytest.mark.parametrize("depth", [40, 300, 400, 2_000, 100_000])
def test_a_configuration_nested_without_end_is_refused_in_one_line(tmp_path, depth: int) -> None:
    path = tmp_path / "atlas.toml"
    for key in ("[strategy]\nuniverse", "[account]\nprotected", "[risk]\nmax_position_pct"):
        path.write_text(f"{key} = {'[' * depth}{']' * depth}\n")
        with pytest.raises(ConfigError) as caught:
            load_settings(path, environ={"HOME": str(tmp_path)}, cwd=tmp_path)
        assert len(str(caught.value).splitlines()) == 1
    with pytest.raises(UnfitError):
        OneOrSeveral(choice("all"), symbols()).from_text("[" * depth + "]" * depth)


def test_a_damaged_zip_of_bars_is_no_file_of_bars(tmp_path) -> None:
    import gzip

    from atlas_daemon.bars.files import load_bars
    from tests.fuzz.files import BARS

    raw = bytearray(gzip.compress(BARS * 50, mtime=0))
    for at in range(12, len(raw), 7):
        path = tmp_path / "bars.csv.gz"
        path.write_bytes(bytes(raw[:at] + bytes((raw[at] ^ 0x55,)) + raw[at + 1 :]))
        try:
            load_bars(path, None, date(2026, 1, 1), date(2027, 1, 29))
        except SignalsError as error:
            assert str(path) in str(error)
