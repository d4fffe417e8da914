from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas_daemon.core.brain import FailureKind, SignalsError
from atlas_daemon.strategy.momentum_52w import Rating, Rule, choose, rate


@dataclass
class Frame:
    """A frame of made-up series by symbol; high = close unless given."""

    closes: dict
    highs: dict | None = None
    volumes: dict | None = None

    def __post_init__(self):
        self.symbols = list(self.closes)
        longest = max(map(len, self.closes.values()))

        def lay(series):
            laid = np.full((longest, len(self.symbols)), np.nan)
            for at, symbol in enumerate(self.symbols):
                values = series.get(symbol, [1000.0] * len(self.closes[symbol]))
                laid[longest - len(values) :, at] = values
            return laid

        self.close_total = lay(self.closes)
        self.high_total = lay({**self.closes, **(self.highs or {})})
        self.volume = lay(self.volumes or {})
        self.value = self.close_total * self.volume
        self.present = ~np.isnan(self.close_total)

    def column(self, symbol):
        return self.symbols.index(symbol) if symbol in self.symbols else None


def flat(count, close=100.0, last=None):
    return [close] * (count - 1) + [close if last is None else last]


def a_rating(symbol="AAA", ratio="0.95", **figures):
    defaults = {"return_12m": "0.1", "dollar_volume": "1000000", "volume_ratio": "1"}
    return Rating(
        symbol, Decimal(ratio), **{k: Decimal(v) for k, v in (defaults | figures).items()}
    )


def symbols(picks):
    return [pick.symbol for pick in picks]


def test_the_ratio_is_the_close_over_the_highest_high_of_252_bars():
    highs = flat(252)
    highs[100] = 125.0
    (rating,), short = rate(Frame({"AAA": flat(252)}, {"AAA": highs}), ["AAA"])
    assert rating.ratio == Decimal("0.8")
    assert short == []


@pytest.mark.parametrize(("bars_after", "ratio"), [(251, "0.8"), (252, "1")])
def test_a_high_leaves_the_window_after_252_bars(bars_after, ratio):
    highs = [125.0, *flat(bars_after)]
    closes = flat(bars_after + 1)
    (rating,), _ = rate(Frame({"AAA": closes}, {"AAA": highs}), ["AAA"])
    assert rating.ratio == Decimal(ratio)


@pytest.mark.parametrize(("bars", "rated"), [(251, 0), (252, 1), (253, 1)])
def test_a_candidate_needs_252_bars(bars, rated):
    ratings, short = rate(Frame({"AAA": flat(bars)}), ["AAA"])
    assert len(ratings) == rated
    assert short == ([] if rated else [("AAA", "251 of 252 sessions of bars")])


def test_a_symbol_without_a_series_is_short_of_all_bars():
    assert rate(Frame({"AAA": flat(3)}), ["ZZZ"]) == ([], [("ZZZ", "0 of 252 sessions of bars")])


def test_the_highs_of_the_day_count_too():
    highs = flat(252)
    highs[-1] = 104.0
    (rating,), _ = rate(Frame({"AAA": flat(252)}, {"AAA": highs}), ["AAA"])
    assert rating.ratio == Decimal("0.961538")


def test_a_close_above_its_high_is_a_ratio_of_1():
    closes, highs = flat(252, 100.0, 100.3), flat(252)
    (rating,), _ = rate(Frame({"AAA": closes}, {"AAA": highs}), ["AAA"])
    assert rating.ratio == 1


def test_the_tie_breaks_are_return_then_dollars_then_symbol():
    ratings = [
        a_rating("EEE", dollar_volume="5"),
        a_rating("DDD", dollar_volume="5"),
        a_rating("CCC", dollar_volume="9"),
        a_rating("BBB", return_12m="0.2"),
        a_rating("AAA", "0.96", return_12m="-0.5"),
    ]
    picks, _ = choose(ratings, Rule(), {})
    assert symbols(picks) == ["AAA", "BBB", "CCC", "DDD", "EEE"]


@pytest.mark.parametrize(("ratio", "kept"), [("0.9", 1), ("0.899999", 0), ("0.900001", 1)])
def test_the_threshold_itself_passes(ratio, kept):
    picks, _ = choose([a_rating(ratio=ratio)], Rule(), {})
    assert len(picks) == kept


def test_nothing_above_the_threshold_is_all_cash_and_said():
    picks, notes = choose([a_rating(ratio="0.5")], Rule(), {})
    assert picks == ()
    assert notes == ("no candidate passes: all cash (1 rated)",)


def test_fewer_than_wanted_share_the_whole_and_it_is_said():
    ratings = [a_rating("AAA"), a_rating("BBB"), a_rating("CCC", "0.2")]
    picks, notes = choose(ratings, Rule(top_n=10), {"AAA": Decimal("12.5")})
    assert [pick.weight for pick in picks] == [Decimal("0.5")] * 2
    assert [pick.close for pick in picks] == [Decimal("12.5"), None]
    assert notes == ("2 of 10 wanted lines pass the threshold; each is weighted among 2",)


def test_momentum_weights_are_proportional_to_the_ratio():
    ratings = [a_rating("AAA", "1"), a_rating("BBB", "0.9"), a_rating("CCC", "0.95")]
    picks, _ = choose(ratings, Rule(top_n=2, weighting="momentum"), {})
    assert [pick.weight for pick in picks] == [Decimal("0.512820"), Decimal("0.487179")]


@pytest.mark.parametrize(("latest", "kept"), [(2000.0, True), (1200.0, False)])
def test_the_volume_filter_wants_a_multiple_of_the_20_session_mean(latest, kept):
    frame = Frame({"AAA": flat(252)}, volumes={"AAA": flat(252, 1000.0, latest)})
    ratings, _ = rate(frame, ["AAA"])
    picks, notes = choose(ratings, Rule(top_n=1, volume_filter=Decimal("1.25")), {})
    assert bool(picks) is kept
    assert ("the volume filter left out 1 of 1" in notes) is not kept
    assert choose(ratings, Rule(top_n=1), {})[0]


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({"top_n": 0}, r"strategy\.top_n: 0"),
        ({"weighting": "best"}, r"strategy\.weighting: 'best' is none of equal, momentum"),
        ({"min_high_ratio": Decimal("1.01")}, r"strategy\.min_high_ratio: 1\.01"),
        ({"min_high_ratio": Decimal("NaN")}, r"strategy\.min_high_ratio: NaN"),
        ({"volume_filter": Decimal(-1)}, r"strategy\.volume_filter: -1"),
    ],
)
def test_a_rule_that_cannot_be_is_refused_by_its_key(setting, words):
    with pytest.raises(SignalsError, match=words) as caught:
        Rule(**setting)
    assert caught.value.kind is FailureKind.CONFIG


RATINGS = st.lists(
    st.builds(
        Rating,
        symbol=st.text("ABCDE", min_size=1, max_size=4),
        ratio=st.decimals("0.85", "1", places=2),
        return_12m=st.decimals("-0.9", "2", places=1),
        dollar_volume=st.decimals("0", "2", places=0),
        volume_ratio=st.just(Decimal(1)),
    ),
    max_size=30,
    unique_by=lambda rating: rating.symbol,
)


@given(
    ratings=RATINGS,
    top_n=st.integers(1, 12),
    weighting=st.sampled_from(["equal", "momentum"]),
    data=st.data(),
)
def test_any_order_of_candidates_gives_the_same_picks_within_the_limits(
    ratings, top_n, weighting, data
):
    rule = Rule(top_n=top_n, weighting=weighting)
    picks, _ = choose(ratings, rule, {})
    assert picks == choose(data.draw(st.permutations(ratings)), rule, {})[0]
    passing = [rating for rating in ratings if rating.ratio >= rule.min_high_ratio]
    assert len(picks) == min(top_n, len(passing))
    assert all(pick.weight > 0 for pick in picks)
    total = sum(pick.weight for pick in picks)
    assert total <= 1
    if picks:
        assert total > 1 - Decimal("0.000001") * len(picks)
        left_out = {rating.symbol for rating in passing} - set(symbols(picks))
        worst = min(pick.ratio for pick in picks)
        assert all(rating.ratio <= worst for rating in passing if rating.symbol in left_out)
