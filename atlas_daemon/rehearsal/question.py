"""The question that a configuration asks of the slow brain, and the regime that a person puts in.

Names only; whoever answers reads the files and the bars.
"""

from datetime import date, datetime

from atlas_daemon.config import Settings
from atlas_daemon.core.brain import SignalsRequest
from atlas_daemon.core.values import Regime


def signals_request(
    settings: Settings,
    signal_day: date,
    held: tuple[str, ...],
    asked_at: datetime,
    regime: Regime | None = None,
) -> SignalsRequest:
    """Return the request for `signal_day`; `regime` stands in for the configured source's."""
    strategy, data = settings.strategy, settings.data
    universe = strategy.universe
    return SignalsRequest(
        signal_day=signal_day,
        source=data.source,
        universe=universe if isinstance(universe, str) else ",".join(universe),
        top_n=strategy.top_n,
        weighting=strategy.weighting,
        min_high_ratio=strategy.min_high_ratio,
        volume_filter=strategy.volume_filter,
        strategy=strategy.source,
        bars_feed=data.bars_feed,
        data_url=settings.broker.data_url,
        held=held,
        regime=settings.regime.source if regime is None else f"fixed:{regime}",
        asked_at=asked_at,
    )
