"""As much of Prometheus' language as the rules use, over scrapes of our own exposition.

Selectors with = and =~, absent, increase, rate and changes over a range, division, comparison with
a number, `and` and `unless` by equal labels. Anything else is an error: then this is to learn it.
"""

import operator
import re
from dataclasses import dataclass
from itertools import pairwise

Labels = frozenset[tuple[str, str]]
Vector = dict[Labels, float]

TOKEN = re.compile(
    r"\s*(?:(?P<number>-?\d+(?:\.\d+)?)(?![\w\]])|(?P<range>\[\d+[smhd]\])|(?P<name>[a-zA-Z_]\w*)"
    r"|(?P<text>\"[^\"]*\")|(?P<sign>==|!=|<=|>=|=~|[(){}=,/<>]))"
)
SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
COMPARE = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


@dataclass(frozen=True)
class Scrape:
    """One answer of /metrics, and when it was given."""

    at_s: float
    samples: dict[str, Vector]


def scrape(at_s: float, families) -> Scrape:
    samples: dict[str, Vector] = {}
    for family in families:
        for sample in family.samples:
            labels = frozenset(sample.labels.items())
            samples.setdefault(sample.name, {})[labels] = sample.value
    return Scrape(at_s, samples)


def seconds(text: str) -> int:
    return int(text[:-1]) * SECONDS[text[-1]]


class Expression:
    """A parsed expression; `names` are the metrics it asks for, with their label matchers."""

    def __init__(self, text: str) -> None:
        self.text, self._tokens, place = text, [], 0
        while place < len(text.rstrip()):
            found = TOKEN.match(text, place)
            if found is None:
                raise ValueError(f"not understood: {text[place:]!r}")
            self._tokens.append((found.lastgroup, found.group(found.lastgroup)))
            place = found.end()
        self.names: list[tuple[str, dict[str, str]]] = []
        self._tree = self._either()
        if self._tokens:
            raise ValueError(f"left over: {self._tokens}")

    def at(self, scrapes: list[Scrape]) -> Vector:
        """Return what it gives at the last of `scrapes`, which are in their order."""
        return self._tree(scrapes)

    def _peek(self) -> str:
        return self._tokens[0][1] if self._tokens else ""

    def _take(self, *wanted: str) -> str:
        kind, text = self._tokens.pop(0)
        if wanted and text not in wanted and kind not in wanted:
            raise ValueError(f"{text!r} where {wanted} was expected in {self.text!r}")
        return text

    def _either(self):
        left = self._compared()
        while self._peek() in ("and", "unless"):
            keeps = self._take() == "and"
            left = _matched(left, self._compared(), keeps)
        return left

    def _compared(self):
        left = self._divided()
        if self._peek() in COMPARE:
            compare, limit = COMPARE[self._take()], float(self._take("number"))
            return lambda s: {k: v for k, v in left(s).items() if compare(v, limit)}
        return left

    def _divided(self):
        left = self._value()
        if self._peek() != "/":
            return left
        self._take("/")
        right = self._value()
        return lambda s: _quotients(left(s), right(s))

    def _value(self):
        name = self._take("name")
        if self._peek() == "(":
            self._take("(")
            inner = self._selected(self._take("name"))
            over_s = seconds(self._take("range")[1:-1]) if self._peek().startswith("[") else 0
            self._take(")")
            return FUNCTIONS[name](inner, over_s)
        return self._newest(self._selected(name))

    def _selected(self, name: str):
        matchers: dict[str, tuple[str, str]] = {}
        if self._peek() == "{":
            self._take("{")
            while self._peek() != "}":
                label, sign, text = self._take("name"), self._take("=", "=~"), self._take("text")
                matchers[label] = sign, text.strip('"')
                if self._peek() == ",":
                    self._take(",")
            self._take("}")
        self.names.append((name, {label: text for label, (_, text) in matchers.items()}))

        def select(one: Scrape) -> Vector:
            found = one.samples.get(name, {})
            return {k: v for k, v in found.items() if _fits(dict(k), matchers)}

        return select

    @staticmethod
    def _newest(select):
        return lambda scrapes: select(scrapes[-1])


def _fits(labels: dict[str, str], matchers: dict[str, tuple[str, str]]) -> bool:
    return all(
        labels.get(label, "") == text
        if sign == "="
        else re.fullmatch(text, labels.get(label, "")) is not None
        for label, (sign, text) in matchers.items()
    )


def _matched(left, right, keeps: bool):
    def both(scrapes: list[Scrape]) -> Vector:
        there = right(scrapes)
        return {k: v for k, v in left(scrapes).items() if (k in there) is keeps}

    return both


def _quotients(left: Vector, right: Vector) -> Vector:
    # Prometheus gives NaN for 0 / 0, which no comparison lets through.
    return {k: v / right[k] for k, v in left.items() if right.get(k)}


def _over(select, over_s: int, reckon):
    def over(scrapes: list[Scrape]) -> Vector:
        began_s = scrapes[-1].at_s - over_s
        series: dict[Labels, list[float]] = {}
        for one in scrapes:
            if one.at_s >= began_s:
                for labels, value in select(one).items():
                    series.setdefault(labels, []).append(value)
        return {k: reckon(values) for k, values in series.items() if len(values) > 1}

    return over


def _increase(values: list[float]) -> float:
    """Sum what was added; a fall is a restart, from 0 again."""
    pairs = pairwise(values)
    return sum(after if after < before else after - before for before, after in pairs)


def _changes(values: list[float]) -> float:
    return sum(a != b for a, b in pairwise(values))


FUNCTIONS = {
    "absent": lambda select, _: lambda s: {} if select(s[-1]) else {frozenset(): 1.0},
    "increase": lambda select, over_s: _over(select, over_s, _increase),
    "rate": lambda select, over_s: _over(select, over_s, lambda v: _increase(v) / over_s),
    "changes": lambda select, over_s: _over(select, over_s, _changes),
}


def firing(expression: Expression, for_s: float, scrapes: list[Scrape]) -> bool:
    """Tell whether a rule fires at the last scrape: true at each one for so long."""
    since_s = None
    for count in range(1, len(scrapes) + 1):
        seen = scrapes[:count]
        if expression.at(seen):
            since_s = seen[-1].at_s if since_s is None else since_s
        else:
            since_s = None
    return since_s is not None and scrapes[-1].at_s - since_s >= for_s
