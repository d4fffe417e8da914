"""The question that a configuration asks of the slow brain, and the regime that a person puts in.

Names only; whoever answers reads the files and the bars.
"""

from datetime import date, datetime

from atlas_daemon.config import Settings
from atlas_daemon.core.brain import RegimeModel, SignalsRequest
from atlas_daemon.core.values import Regime

REGIME_FILE = "regime_labels.json"
"""In the state folder: what the model has said so far."""
BARS_DIR = "bars"
"""In the state folder: the local store of bars."""


def signals_request(
    settings: Settings,
    signal_day: date,
    held: tuple[str, ...],
    asked_at: datetime,
    regime: Regime | None = None,
    *,
    keeps_labels: bool = False,
) -> SignalsRequest:
    """Return the request for `signal_day`; `regime` stands in for the configured source's.

    `keeps_labels`: labels of a model and bars are added to the account's; else they are only read.
    """
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
        model=regime_model(settings, keeps_labels=keeps_labels),
        bars_dir=str(settings.state_dir / BARS_DIR),
        keeps_bars=keeps_labels,
    )


def regime_model(settings: Settings, *, keeps_labels: bool = False) -> RegimeModel:
    """Return how the settings want the regime computed."""
    regime = settings.regime
    return RegimeModel(
        lookback=regime.lookback,
        penalty=regime.lambda_,
        mode=regime.mode,
        window=None if isinstance(regime.window, str) else regime.window,
        confirm_sessions=regime.confirm_sessions,
        vix=regime.vix,
        state_path=str(settings.state_dir / REGIME_FILE),
        keeps_state=keeps_labels,
    )
