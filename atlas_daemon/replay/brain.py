"""The slow brain without a child: the worker's own functions over bars that are in memory.

The regime's labels are grown once to the end of the bars, with the model's own code: a label of a
day rests on that day's past only, and is never rewritten, so it is the one that was given then.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from atlas_daemon.core.brain import (
    RegimeAnswer,
    SignalsAnswer,
    SignalsError,
    SignalsRequest,
)
from atlas_daemon.core.values import ALLOCATION, Regime, Symbol
from atlas_daemon.strategy.regime import Track, confirmed_labels, raw_labels

Question = Callable[[date, tuple[str, ...], datetime], SignalsRequest]
JUMP_MODEL = "jump_model"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinking:
    """What the child process does, as functions of one request (`atlas_daemon.worker`)."""

    decide: Callable[[SignalsRequest], SignalsAnswer]
    regime_alone: Callable[[SignalsRequest], RegimeAnswer]
    regime_track: Callable[[SignalsRequest], tuple[Track, tuple[str, ...]]]


@dataclass(slots=True)
class HeldBrain:
    """Answers for the strategy (`ports.BrainPort`)."""

    question: Question
    thinking: Thinking
    needs_picks: Callable[[date], bool]
    """Whether a run may need the picks of a signal session; of others only the regime is told."""
    labels: dict[date, RegimeAnswer] = field(default_factory=dict)
    """The model's word on each session, where a model is the source."""

    def grow_labels(self, last: date, asked_at: datetime) -> None:
        """Let the model judge every session up to `last`. Raises SignalsError."""
        request = self.question(last, (), asked_at)
        if request.regime == JUMP_MODEL:
            track, _ = self.thinking.regime_track(request)
            self.labels = labels_of(track, request.model.confirm_sessions)

    async def compute(
        self, signal_day: date, held: Sequence[Symbol], asked_at: datetime
    ) -> SignalsAnswer:
        """Return the answer, where a run may need it. Raises SignalsError."""
        if not self.needs_picks(signal_day):
            raise SignalsError(f"no run may need the picks of {signal_day}")
        return self.thinking.decide(self.question(signal_day, tuple(held), asked_at))

    async def regime(self, signal_day: date, asked_at: datetime) -> RegimeAnswer:
        """Return the regime alone. Raises SignalsError."""
        known = self.labels.get(signal_day)
        if known is not None:
            return known
        request = replace(self.question(signal_day, (), asked_at), is_regime_only=True)
        return self.thinking.regime_alone(request)


def labels_of(track: Track, confirm_sessions: int) -> dict[date, RegimeAnswer]:
    """Return what the child would have said of each session that the model has judged."""
    raws = raw_labels(track)
    return {
        day: RegimeAnswer(day, _lower(raw, confirmed), day, raw, confirmed)
        for (day, raw), (_, confirmed) in zip(
            raws, confirmed_labels(raws, confirm_sessions), strict=True
        )
    }


def _lower(raw: Regime, confirmed: Regime) -> Regime:
    return min(confirmed, raw, key=lambda regime: ALLOCATION[regime])
