"""A structure-aware mutator: valid bodies, broken as machines, proxies and enemies break them.

It draws from a `random.Random`, so that Hypothesis (which shrinks it), a soak and a coverage-guided
fuzzer can all drive it. Some damage has no form as a Python value (NaN, a key twice, a number of
4,000 digits): it is written as JSON by hand.
"""

import copy
import json
import random
import re
from collections.abc import Callable
from typing import Any

LARGE = 200_000
"""Characters of what is blown up; ten millions are tried once, by `test_found`."""
DEPTHS = (20, 130, 400, 480, 700, 1500, 60_000)
"""Python's own limit lies between, and differs from version to version."""

WORDS = (
    *("", " ", "0", "-1", "1e999", "1e-999", "9" * 5000, "0x10", "NaN", "Infinity", "-0", "1_000"),
    *("1.", ".5", "١٢٣", "9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00+23:59"),
    *("2027-02-30T00:00:00Z", "2027-02-01", "2027-02-01T14:35:00", "null", "true", "\x00", "\r\n"),
    *("a\nb", "\u2028", "\U0001f4a5", "e\u0301", "../../etc", "<b>", "'; --", "sell_short", "BUY"),
    *("partially_filled", "done_for_day", "held_for_orders", "brand_new_word", "TREND_BULL"),
)
NUMBERS = (
    *(0, -1, 1, 2**31, 2**63 - 1, 2**64, -(2**70), 10**40, 10**400, True, False),
    *(0.1, -0.0, 1e15, 1e17, 1e308, -1e308, 5e-324, 1e-12),
)


class Raw:
    """Text that stands in the JSON as it is."""

    def __init__(self, text: str) -> None:
        self.text = text


RAW = (
    *("NaN", "Infinity", "-Infinity", "1e999999999999", "-1E-999999999999", "9" * 4000),
    *("9" * 6000, "1." + "3" * 6000, '"\\ud800"', '"\\udfff\\ud800"', '"\\u0000"', "01", "+1"),
    *("'x'", "undefined", "[1,]", '{"a":1,"a":2}', '{"a"}', "", "\x00", "// x", '"\n"'),
)


def written(value: object) -> str:
    """Return a body as JSON, with what is `Raw` put in as it is; pairs may repeat a key."""
    match value:
        case Raw():
            return value.text
        case dict():
            pairs = value.items()
        case Pairs():
            pairs = value.pairs
        case list():
            return "[" + ",".join(map(written, value)) + "]"
        case _:
            return json.dumps(value, ensure_ascii=False)
    return "{" + ",".join(f"{json.dumps(key)}:{written(each)}" for key, each in pairs) + "}"


class Pairs:
    """An object some of whose keys stand there twice."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        self.pairs = pairs


def nested(depth: int, opening: str = "[", closing: str = "]", inside: str = "") -> Raw:
    return Raw(opening * depth + inside + closing * depth)


class Mutator:
    """Breaks bodies by `chance`. `others` are bodies of other kinds, to be mixed in."""

    def __init__(self, chance: random.Random, others: tuple[object, ...] = ()) -> None:
        self.chance = chance
        self._others = tuple(each for each in others if not isinstance(each, bytes))

    def body(self, sample: object) -> bytes:
        """Return the sample with one to three damages, or as bytes that are cut or flipped.

        A sample of bytes is a text file: it is damaged line by line and field by field.
        """
        if isinstance(sample, bytes):
            raw = self._text(sample)
            return self.bytes_of(raw) if self.chance.random() < 0.25 else raw
        value = json.loads(json.dumps(sample))
        for _ in range(self.chance.choice((1, 1, 1, 2, 3))):
            value = self._damaged(value)
        raw = written(value).encode("utf-8", "surrogatepass")
        return self.bytes_of(raw) if self.chance.random() < 0.25 else raw

    def bytes_of(self, raw: bytes) -> bytes:
        """Return bytes damaged without a look at their form."""
        chance = self.chance
        at = chance.randrange(len(raw) + 1)
        match chance.randrange(9):
            case 0:
                return raw[:at]
            case 1:
                return raw[at:]
            case 2:
                return b""
            case 3:
                return raw[:at] + bytes((chance.randrange(256),)) + raw[at + 1 :]
            case 4:
                return raw[:at] + bytes(chance.randrange(256) for _ in range(8)) + raw[at:]
            case 5:
                return raw + raw
            case 6:
                return raw[:at] + raw[at : at + 40] * 3 + raw[at + 40 :]
            case 7:
                return chance.choice((b"\xef\xbb\xbf", b"\xff\xfe", b"\x00")) + raw
            case _:  # what another encoding would look like
                return chance.choice(
                    (b"\x81\xa1a\x01", b"\xdf\xff\xff\xff\xff", b"<html>502</html>", b"null", b"{}")
                )

    def _text(self, raw: bytes) -> bytes:
        """Return a file of lines with some taken away, doubled, moved, or with another field."""
        chance = self.chance
        lines = raw.decode("utf-8", "surrogateescape").split("\n")
        for _ in range(chance.choice((1, 1, 2, 3))):
            at = chance.randrange(len(lines))
            match chance.randrange(7):
                case 0 if len(lines) > 1:
                    del lines[at]
                case 1:
                    lines.insert(at, lines[chance.randrange(len(lines))])
                case 2:
                    lines[at] += written(self.value())
                case _:
                    fields = re.split(r"([,=])", lines[at])
                    fields[chance.randrange(0, len(fields), 2)] = self._field()
                    lines[at] = "".join(fields)
        return "\n".join(lines).encode("utf-8", "surrogateescape")

    def _field(self) -> str:
        value = self.value()
        return value if isinstance(value, str) else written(value)

    def value(self) -> object:
        """Return some value that was not asked for."""
        chance = self.chance
        makers: tuple[Callable[[], object], ...] = (
            lambda: None,
            lambda: chance.choice(WORDS),
            lambda: chance.choice(WORDS),
            lambda: chance.choice(NUMBERS),
            lambda: chance.choice(NUMBERS),
            lambda: Raw(chance.choice(RAW)),
            lambda: chance.choice("xA0é\x7f") * chance.choice((129, 257, 3000, LARGE)),
            list,
            dict,
            lambda: [chance.choice(WORDS)] * chance.choice((1, 3, 500)),
            lambda: {chance.choice(WORDS): chance.choice(NUMBERS)},
            self._deep,
            lambda: copy.deepcopy(chance.choice(self._others)) if self._others else None,
        )
        return chance.choice(makers)()

    def _deep(self) -> Raw:
        depth = self.chance.choice(DEPTHS)
        order = '{"id":"a","status":"new","legs":['
        return self.chance.choice(
            (
                nested(depth),
                nested(depth, '{"a":', "}", "1"),
                nested(depth, "[", "", ""),
                nested(depth, order, "]}", '{"id":"a","status":"new"}'),
            )
        )

    def _damaged(self, value: Any) -> Any:
        """Return the value with damage at a place some steps down."""
        chance = self.chance
        if not isinstance(value, dict | list) or not value or chance.random() < 0.06:
            return self.value()
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = chance.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and chance.random() < 0.75:
            value[key] = self._damaged(inner)
            return value
        match chance.randrange(8):
            case 0:
                del value[key]
            case 1 if isinstance(value, dict):
                return Pairs([*value.items(), (key, self.value())])
            case 1:
                value *= chance.choice((2, 3, 300))
            case 2 if isinstance(value, dict):
                value[str(chance.choice(WORDS))] = value.pop(key)
            case 3 if isinstance(inner, str):
                value[key] = chance.choice((inner.upper(), inner * 400, inner[:-1], inner + "\n"))
            case 4 if isinstance(inner, str) and inner[:1].isdigit():
                value[key] = Raw(inner)  # a number that was a text
            case 5 if isinstance(inner, bool | int | float):
                value[key] = str(inner)
            case _:
                value[key] = self.value()
        return value
