"""What each key takes: the edges of every range, the strictness of every type."""

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atlas_daemon.config.definitions import KEYS
from atlas_daemon.config.kinds import UnfitError
from atlas_daemon.config.sources import shown

D = Decimal

FITS = [
    ("risk.max_position_pct", D("1"), D(1)),
    ("risk.max_position_pct", 1, D(1)),
    ("risk.max_total_allocation", D("1.05"), D("1.05")),
    ("risk.cash_reserve_pct", D("0"), D(0)),
    ("account.name", "large_2", "LARGE_2"),
    ("account.protected", ["BRK-B", "AAPL"], ("BRK.B", "AAPL")),
    ("rebalance.anchors", ["12-31"], ("12-31",)),
    ("rebalance.at", "open+0m", "open+0m"),
    ("rebalance.at", "open+299m", "open+299m"),
    ("rebalance.catch_up_sessions", 20, 20),
    ("rebalance.rounds", 10, 10),
    ("regime.window", "expanding", "expanding"),
    ("regime.window", 60, 60),
    ("regime.source", "fixed:CRASH", "fixed:CRASH"),
    ("regime.source", "file:regime.json", "file:regime.json"),
    ("regime.lambda", 2, D(2)),
    ("strategy.universe", "all", "all"),
    ("strategy.universe", ["AAPL", "BRK.B"], ("AAPL", "BRK.B")),
    ("strategy.universe", "AAPL,MSFT", ("AAPL", "MSFT")),
    ("strategy.universe", "file:a,b.csv", "file:a,b.csv"),
    ("dashboard.host", "127.0.0.2", "127.0.0.2"),
    ("dashboard.host", "localhost", "localhost"),
    ("dashboard.host", "0:0::0", "::"),
    ("dashboard.host", "192.168.1.2", "192.168.1.2"),
    ("dashboard.token", "", ""),
    ("dashboard.token", "t" * 32, "t" * 32),
    ("dashboard.hosts", ["atlas.example.org", "nas"], ("atlas.example.org", "nas")),
    ("dashboard.port", 0, 0),
    ("notify.webhook_url", "https://hooks.example/T0/x", "https://hooks.example/T0/x"),
    ("notify.webhook_url", "http://u:p@[::1]:8080?t=a:b@c", "http://u:p@[::1]:8080?t=a:b@c"),
    ("notify.template", "discord", "discord"),
    ("notify.apprise_url", "tgram://token/chat", "tgram://token/chat"),
    ("notify.healthcheck_every_s", 60, 60),
]
UNFIT = [
    ("risk.max_position_pct", D("0")),
    ("risk.max_position_pct", D("1.0000001")),
    ("risk.max_position_pct", D("nan")),
    ("risk.max_position_pct", D("inf")),
    ("risk.max_position_pct", "0.15"),
    ("risk.max_position_pct", True),
    ("risk.max_position_pct", 15),
    ("risk.max_total_allocation", D("1.051")),
    ("risk.cash_reserve_pct", D("1")),
    ("risk.max_price_age_s", 0),
    ("risk.max_price_age_s", D("60.0")),
    ("risk.max_price_age_s", True),
    ("account.name", ""),
    ("account.name", "../LIVE"),
    ("account.name", "A" * 33),
    ("account.name", "Ä"),
    ("account.mode", "Paper"),
    ("account.capital", D("-0.01")),
    ("account.manage", "some"),
    ("account.protected", ["aapl"]),
    ("account.protected", ["AAPL", "AAPL"]),
    ("account.protected", ["BRK.B", "BRK-B"]),
    ("account.protected", "AAPL"),
    ("account.number", "12 34"),
    ("rebalance.anchors", []),
    ("rebalance.anchors", ["02-30"]),
    ("rebalance.anchors", ["02-29"]),
    ("rebalance.anchors", ["2-1"]),
    ("rebalance.anchors", ["02-01", "02-15"]),
    ("rebalance.anchors", [201]),
    ("rebalance.at", "09:35"),
    ("rebalance.at", "open+300m"),
    ("rebalance.at", "open+5"),
    ("rebalance.catch_up_sessions", 21),
    ("rebalance.catch_up_sessions", -1),
    ("rebalance.rounds", 0),
    ("rebalance.rounds", 11),
    ("rebalance.min_session_left_s", 0),
    ("rebalance.first", "later"),
    ("regime.source", "fixed:BULL"),
    ("regime.source", "file:"),
    ("regime.window", "all"),
    ("regime.window", 59),
    ("regime.mode", "lazy"),
    ("strategy.source", "momentum"),
    ("strategy.universe", []),
    ("strategy.universe", ""),
    ("strategy.weighting", "random"),
    ("data.source", "yahoo"),
    ("execution.order_type", "stop"),
    ("execution.limit_band_pct", D("0")),
    ("emergency.action", "panic"),
    ("dashboard.host", "192.168.1.256"),
    ("dashboard.host", "example.org"),
    ("dashboard.token", "t" * 31),
    ("dashboard.token", "t" * 201),
    ("dashboard.token", "t" * 31 + " t"),
    ("dashboard.hosts", ["Atlas.example.org"]),
    ("dashboard.hosts", ["nas:8787"]),
    ("dashboard.port", 65536),
    ("notify.daily", "yes"),
    ("notify.daily", 1),
    ("notify.webhook_url", "hooks.example"),
    ("notify.webhook_url", "http://[::1/hook"),
    ("notify.webhook_url", "https://hooks.example:99999/T0"),
    ("notify.healthcheck_url", "https://:80/T0"),
    ("notify.template", "teams"),
    ("notify.apprise_url", "tgram"),
    ("notify.healthcheck_every_s", 59),
    ("paths.state_dir", ""),
    ("paths.state_dir", "a\nb"),
]


@pytest.mark.parametrize(("name", "value", "kept"), FITS)
def test_a_value_that_fits_is_kept(name, value, kept):
    assert KEYS[name].kind.from_toml(value) == kept


@pytest.mark.parametrize(("name", "value"), UNFIT)
def test_a_value_that_does_not_fit_is_refused(name, value):
    with pytest.raises(UnfitError):
        KEYS[name].kind.from_toml(value)


@pytest.mark.parametrize(
    ("name", "text", "kept"),
    [
        ("risk.max_position_pct", "0.10", D("0.10")),
        ("risk.max_position_pct", "1e-1", D("0.1")),
        ("rebalance.rounds", "2", 2),
        ("notify.daily", "true", True),
        ("notify.daily", "false", False),
        ("account.protected", "", ()),
        ("account.protected", "AAPL, BRK-B", ("AAPL", "BRK.B")),
        ("account.protected", '["AAPL","MSFT"]', ("AAPL", "MSFT")),
        ("strategy.universe", '["AAPL"]', ("AAPL",)),
        ("regime.window", "expanding", "expanding"),
        ("regime.window", "252", 252),
        ("report.expected_cagr", "", None),
        ("report.expected_cagr", "0.12", D("0.12")),
    ],
)
def test_a_variable_is_read_by_its_key_s_type(name, text, kept):
    assert KEYS[name].kind.from_text(text) == kept


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("risk.max_position_pct", ""),
        ("risk.max_position_pct", "15%"),
        ("risk.max_position_pct", "nan"),
        ("risk.max_position_pct", "0,15"),
        ("risk.max_position_pct", "١"),
        ("rebalance.rounds", "1_0"),
        ("rebalance.rounds", "3.0"),
        ("rebalance.rounds", " 3"),
        ("notify.daily", "True"),
        ("notify.daily", "1"),
        ("account.protected", '["AAPL"'),
        ("account.protected", "[1]"),
        ("account.protected", "AAPL,,MSFT"),
    ],
)
def test_a_variable_with_another_spelling_is_refused(name, text):
    with pytest.raises(UnfitError):
        KEYS[name].kind.from_text(text)


@settings(max_examples=150, deadline=None)
@given(
    name=st.sampled_from(sorted(KEYS)),
    value=st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.decimals(),
        st.text(max_size=20),
        st.lists(st.one_of(st.text(max_size=6), st.integers()), max_size=3),
        st.dictionaries(st.text(max_size=3), st.integers(), max_size=1),
    ),
)
def test_any_toml_value_is_taken_or_refused_and_shown_on_one_line(name, value):
    key = KEYS[name]
    try:
        kept = key.kind.from_toml(value)
    except UnfitError:
        pass
    else:
        assert isinstance(kept, str | int | bool | Decimal | tuple)
        again = list(kept) if isinstance(kept, tuple) else kept
        assert key.kind.from_toml(again) == kept
    assert len(shown(key, value).splitlines()) <= 1


@settings(max_examples=150, deadline=None)
@given(name=st.sampled_from(sorted(KEYS)), text=st.text(max_size=30))
def test_any_text_is_taken_or_refused(name, text):
    try:
        KEYS[name].kind.from_text(text)
    except UnfitError:
        return
