"""The road of one price through one session: open, then high and low in drawn order, then close.

Pure arithmetic on integers and floats: any second of any day is worked out on its own, without a
table, and always to the same figure. Nothing here knows symbols, dates or quotes.
"""

import hashlib

_MASK = (1 << 64) - 1
SLOW_S = 300
FAST_S = 15
SLOW_MASK = 0x51
FAST_MASK = 0xFA
_WOBBLE = 0.15  # of the day's range; the fast noise is a third of it


def draw_key(*parts: object) -> int:
    """A 64-bit seed for these parts; the same in every process (`hash()` is not)."""
    text = "|".join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def draw(key: int, number: int) -> float:
    """Draw `number` of the stream `key`: uniform in [0, 1) (splitmix64)."""
    value = (key + (number + 1) * 0x9E3779B97F4A7C15) & _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((value ^ (value >> 31)) >> 11) / (1 << 53)


class DayPath:
    """The price at each second of a session that is `length_s` seconds long.

    Takes low <= open, close <= high; both extremes are touched once, on a whole minute.
    """

    __slots__ = ("high", "key", "knots", "length_s", "low", "swing")

    def __init__(
        self, key: int, *, opened: float, high: float, low: float, close: float, length_s: int
    ) -> None:
        self.length_s = length_s
        self.key = key
        self.high = high
        self.low = low
        self.swing = (high - low) * _WOBBLE
        first, second = (high, low) if draw(key, 0) < 0.5 else (low, high)
        minutes = length_s // 60
        early = 60 * int(minutes * (0.05 + 0.40 * draw(key, 1)))
        late = 60 * int(minutes * (0.55 + 0.40 * draw(key, 2)))
        self.knots = ((0, opened), (early, first), (late, second), (length_s, close))

    def price(self, second: int) -> float:
        """The price `second` seconds after the open, in [low, high]; not yet rounded to a tick."""
        second = min(max(second, 0), self.length_s)
        leg = next(n for n in (1, 2, 3) if second <= self.knots[n][0])
        (begin, before), (end, after) = self.knots[leg - 1], self.knots[leg]
        share = (second - begin) / (end - begin)
        # The noise dies at the knots, so that open, high, low and close stand as they are.
        noise = self.swing * 4 * share * (1 - share) * self._noise(second)
        return min(max(before + (after - before) * share + noise, self.low), self.high)

    def _noise(self, second: int) -> float:
        slow = _ramp(self.key ^ SLOW_MASK, second, SLOW_S)
        fast = _ramp(self.key ^ FAST_MASK, second, FAST_S)
        return slow + fast / 3


def _ramp(key: int, second: int, step_s: int) -> float:
    """Straight lines between draws in [-1, 1) that stand `step_s` apart."""
    number, rest = divmod(second, step_s)
    before, after = draw(key, number), draw(key, number + 1)
    return 2 * (before + (after - before) * rest / step_s) - 1
