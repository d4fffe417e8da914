"""Mode, addresses and key name the same world, or nothing starts."""

import pytest

from atlas_daemon.config.identity import check_key
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import AccountMode

LIVE = '[account]\nmode = "live"\nname = "LIVE"\nnumber = "123456789"\n'
LOCAL = '[account]\nmode = "local"\n'
PAPER = '[account]\nmode = "paper"\n'


@pytest.mark.parametrize(
    ("account", "trading", "stream", "data"),
    [
        (
            PAPER,
            "https://paper-api.alpaca.markets",
            "wss://paper-api.alpaca.markets/stream",
            "https://data.alpaca.markets",
        ),
        (
            LIVE,
            "https://api.alpaca.markets",
            "wss://api.alpaca.markets/stream",
            "https://data.alpaca.markets",
        ),
        (LOCAL, "", "", ""),
        (
            LOCAL + '[broker]\ntrading_url = "http://127.0.0.1:8123/"\n',
            "http://127.0.0.1:8123",
            "ws://127.0.0.1:8123/stream",
            "http://127.0.0.1:8123",
        ),
        (
            LOCAL + '[broker]\ntrading_url = "http://[::1]:1"\ndata_url = "http://localhost:2"\n',
            "http://[::1]:1",
            "ws://[::1]:1/stream",
            "http://localhost:2",
        ),
    ],
)
def test_addresses_follow_the_mode(desk, account, trading, stream, data):
    broker = desk.toml(account).load().broker
    assert (broker.trading_url, broker.stream_url, broker.data_url) == (trading, stream, data)


@pytest.mark.parametrize(
    ("account", "key", "address"),
    [
        (PAPER, "trading_url", "https://api.alpaca.markets"),
        (PAPER, "trading_url", "https://paper-api.alpaca.markets/v2"),
        (PAPER, "trading_url", "http://paper-api.alpaca.markets"),
        (PAPER, "trading_url", "http://127.0.0.1:8123"),
        (PAPER, "stream_url", "wss://api.alpaca.markets/stream"),
        (PAPER, "data_url", "https://data.example"),
        (LIVE, "trading_url", "https://paper-api.alpaca.markets"),
        (LIVE, "stream_url", "wss://paper-api.alpaca.markets/stream"),
        (LOCAL, "trading_url", "https://api.alpaca.markets"),
        (LOCAL, "trading_url", "https://127.0.0.1:8123"),
        (LOCAL, "trading_url", "http://192.168.0.2:8123"),
        (LOCAL, "trading_url", "http://127.0.0.1.example:80"),
        (LOCAL, "trading_url", "http://127.0.0.1@api.alpaca.markets"),
        (LOCAL, "trading_url", "http://127.0.0.1:99999"),
        (LOCAL, "stream_url", "ws://127.0.0.1:8123/stream"),
    ],
)
def test_s178_an_address_of_another_world_is_refused(desk, account, key, address):
    with pytest.raises(ConfigError) as caught:
        desk.toml(f'{account}[broker]\n{key} = "{address}"\n').load()
    assert str(caught.value).startswith(f'broker.{key} = "{address}" (atlas.toml): must be ')


def test_s178_a_refused_address_names_the_mode_and_where_it_came_from(desk):
    desk.toml('[broker]\ntrading_url = "https://api.alpaca.markets"\n')
    desk.env(ATLAS_ACCOUNT__MODE="paper")
    with pytest.raises(ConfigError) as caught:
        desk.load()
    assert 'because account.mode = "paper" (ATLAS_ACCOUNT__MODE)' in str(caught.value)


def test_derived_addresses_say_what_they_follow(desk):
    settings = desk.load()
    assert settings.origin("broker.trading_url") == "follows account.mode"
    settings = desk.toml(LOCAL).env(ATLAS_BROKER__TRADING_URL="http://127.0.0.1:1").load()
    assert settings.origin("broker.trading_url") == "ATLAS_BROKER__TRADING_URL"
    assert settings.origin("broker.stream_url") == "follows broker.trading_url"


def test_a_local_broker_just_started_is_taken_over(desk):
    settings = desk.toml(LOCAL).load().at_local_broker("http://127.0.0.1:4567")
    assert settings.broker.trading_url == "http://127.0.0.1:4567"
    assert settings.broker.stream_url == "ws://127.0.0.1:4567/stream"
    assert settings.broker.data_url == "http://127.0.0.1:4567"


def test_a_local_broker_is_refused_outside_local_mode(desk):
    with pytest.raises(ConfigError, match=r"broker\.trading_url"):
        desk.load().at_local_broker("http://127.0.0.1:4567")


@pytest.mark.parametrize(
    ("mode", "key_id", "fits"),
    [
        ("paper", "PKABCDEF", True),
        ("paper", "AKABCDEF", False),
        ("paper", "pkABCDEF", False),
        ("live", "AKABCDEF", True),
        ("live", "PKABCDEF", False),
        ("live", "", False),
        ("local", "anything", True),
    ],
)
def test_s178_a_key_of_another_world_is_refused_naming_both(mode, key_id, fits):
    if fits:
        check_key(AccountMode(mode), key_id, "ALPACA_X_KEY (environment)", "atlas.toml")
        return
    with pytest.raises(ConfigError) as caught:
        check_key(AccountMode(mode), key_id, "ALPACA_X_KEY (environment)", "atlas.toml")
    text = str(caught.value)
    assert "ALPACA_X_KEY (environment)" in text
    assert f'account.mode = "{mode}" (atlas.toml)' in text
    assert "ABCDEF" not in text
