"""What happens to an account between two sessions: money, splits, new names; and how it is told.

Shares and money move at one moment, the activity that explains it is told then, before or after.
"""

import random
from collections.abc import Callable
from decimal import ROUND_DOWN, Decimal

from tests.simulation.broker import Broker
from tests.simulation.market import NEW_YORK, ZERO

CENT = Decimal("0.01")


class Nights:
    """Moves the account at night. `renamed` says which symbol is which now."""

    def __init__(self, broker: Broker, draw: random.Random) -> None:
        self._broker, self._draw = broker, draw
        self._told = 0
        self.renamed: dict[str, str] = {}
        self.late_until_s = 0.0
        """When the last of it is told."""

    def happen(self, name: str) -> str:
        """Let it happen; return what, in words, or nothing where nobody holds anything."""
        act: Callable[[], str] = getattr(self, f"_{name}")
        return act()

    # Money.

    def _fee(self) -> str:
        return self._money("FEE", -self._some(500))

    def _interest(self) -> str:
        return self._money("INT", self._some(2_000))

    def _deposit(self) -> str:
        return self._money(self._draw.choice(("CSD", "JNLC")), self._some(2_000_000))

    def _withdrawal(self) -> str:
        amount = (self._broker.cash / 3).quantize(CENT, ROUND_DOWN)
        return self._money("CSW", -amount) if amount > 0 else ""

    def _dividend(self) -> str:
        if (symbol := self._some_symbol()) is None:
            return ""
        per_share = self._some(200)
        amount = per_share * self._broker.held[symbol]
        return self._money("DIV", amount, symbol=symbol, per_share_amount=f"{per_share}")

    def _money(self, kind: str, amount: Decimal, **more: str) -> str:
        self._later(lambda: self._broker.move("USD", ZERO, amount))
        self._tell(kind, net_amount=f"{amount:f}", **more)
        return f"{kind} {amount} {' '.join(more.values())}".strip()

    # Shares.

    def _split(self) -> str:
        if (symbol := self._some_symbol()) is None:
            return ""
        had, times = self._broker.held[symbol], self._draw.choice((2, 3, 4))
        self._priced(symbol, Decimal(1) / times)
        more = had * (times - 1)
        # Told as the increase, or as the quantity after it: both are seen.
        told = self._draw.choice((more, had * times))
        self._moved("SPLIT", symbol, more, told)
        return f"{symbol} splits {times} for 1"

    def _reverse_split(self) -> str:
        if (symbol := self._some_symbol()) is None:
            return ""
        had = self._broker.held[symbol]
        whole, price = had // 10, self._broker.prices[symbol]
        self._priced(symbol, Decimal(10))
        self._moved("SPLIT", symbol, whole - had, whole - had)
        if rest := had - whole * 10:
            self._money("CIL", (rest * price).quantize(CENT), symbol=symbol)
        return f"{symbol} is merged 1 for 10"

    def _rename(self) -> str:
        if (old := self._some_symbol()) is None:
            return ""
        broker, new = self._broker, f"{old.replace('.', '')}X"
        qty, price = broker.held[old], broker.prices[old]
        broker.prices[new] = price
        broker.gone.add(old)
        broker.touched |= {old, new}
        broker.move(old, -qty, ZERO)
        broker.move(new, qty, ZERO)
        if self._draw.random() < 0.7:  # else the strategy goes on with the old name
            self.renamed[old] = new
        self._tell("NC", symbol=self._draw.choice((old, new)), qty=f"{qty:f}")
        return f"{old} is {new}"

    def _merger(self) -> str:
        if (symbol := self._some_symbol()) is None:
            return ""
        broker, qty = self._broker, self._broker.held[symbol]
        amount = qty * broker.prices[symbol]
        broker.gone.add(symbol)
        broker.touched.add(symbol)
        broker.move(symbol, -qty, amount)
        self._tell("MA", symbol=symbol, qty=f"{-qty:f}", net_amount=f"{amount:f}")
        return f"{symbol} is bought for cash"

    def _spin_off(self) -> str:
        if (symbol := self._some_symbol()) is None:
            return ""
        child = f"{symbol.replace('.', '')}S"
        self._broker.prices[child] = Decimal(20)
        qty = max(self._broker.held[symbol] // 4, Decimal(1))
        self._moved("SPIN", child, qty, qty)
        return f"{symbol} gives {qty} {child}"

    def _priced(self, symbol: str, ratio: Decimal) -> None:
        price = self._broker.prices[symbol]
        self._broker.prices[symbol] = max((price * ratio).quantize(CENT), CENT)

    def _moved(self, kind: str, symbol: str, qty: Decimal, told: Decimal) -> None:
        self._broker.touched.add(symbol)
        self._broker.move(symbol, qty, ZERO)
        self._tell(kind, symbol=symbol, qty=f"{told:f}")

    # Telling.

    def _tell(self, kind: str, **row: str) -> None:
        """Tell it now, or up to an hour later; each row has an id of its own and a day."""
        broker, late_s = self._broker, self._draw.choice((0.0, 0.0, 2.0, 30.0, 400.0, 3500.0))
        self._told += 1
        day = broker.now.astimezone(NEW_YORK).date()
        named = {"id": f"{day:%Y%m%d}000000000::{kind}-{self._told}", "activity_type": kind}
        broker.post({**named, "date": day.isoformat(), **row}, late_s)
        self.late_until_s = max(self.late_until_s, broker.timeline.now_s + late_s)

    def _later(self, move: Callable[[], None]) -> None:
        """Let money move now, or a while after it is told."""
        late_s = self._draw.choice((0.0, 0.0, 0.0, 5.0, 300.0))
        if not late_s:
            move()
            return
        timeline = self._broker.timeline
        timeline.after(late_s, move)
        self.late_until_s = max(self.late_until_s, timeline.now_s + late_s)

    def _some(self, most_cents: int) -> Decimal:
        return Decimal(self._draw.randint(1, most_cents)) / 100

    def _some_symbol(self) -> str | None:
        there = sorted(set(self._broker.held) - self._broker.gone)
        return self._draw.choice(there) if there else None
