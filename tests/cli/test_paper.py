"""What `atlasd paper` is asked for: accounts, market, days; and one line where that is wrong."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from atlas_daemon.cli.paper import paper
from atlas_daemon.cli.paper_setup import (
    WantedAccount,
    accounts_of,
    holdings_of,
    market_label,
    market_of,
    opened,
    span_of,
)
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.paper import store
from atlas_daemon.paper.market.calendar import Calendar

NOON = datetime(2024, 2, 1, 17, tzinfo=UTC)


def test_accounts_come_from_words_and_from_a_file(tmp_path):
    file = tmp_path / "accounts.toml"
    file.write_text(
        '[[account]]\nkey = "A"\nsecret = "b"\ncash = 2500.50\nholdings = { AAPL = 1.5 }\n'
        '[[account]]\nkey = "C"\nsecret = "d"\n'
    )
    assert accounts_of(["PKX:y:1_000"], file) == [
        WantedAccount("PKX", "y", Decimal(1000)),
        WantedAccount("A", "b", Decimal("2500.50"), {"AAPL": Decimal("1.5")}),
        WantedAccount("C", "d", Decimal(10000)),
    ]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[account]]\nkey = 3\nsecret = 'x'", "account 1: key must be a text"),
        ("[[account]]\nkey = 'x'\n", "account 1: secret must be a text"),
        ("[[account]]\nkey='x'\nsecret='y'\nmoney=1", "account 1: unknown key money"),
        ("[[account]]\nkey='x'\nsecret='y'\ncash='much'", "account 1: cash much: must be a number"),
        ("[[account]]\nkey='x'\nsecret='y'\nholdings={aapl=-1}", "account 1: --holdings aapl=-1"),
        ("[[account]]\nkey='x'\nsecret='y'\nholdings=3", "holdings must be a table"),
        ("accounts = 3", "must hold [[account]] tables and nothing else"),
        ("account = 3", "must hold [[account]] tables and nothing else"),
        ("[[account", "accounts.toml: "),
        ("\udcff", "accounts.toml: "),
    ],
)
def test_a_wrong_file_of_accounts_is_named_in_one_line(tmp_path, text, says):
    file = tmp_path / "accounts.toml"
    file.write_text(text, errors="surrogateescape")
    with pytest.raises(AtlasError) as caught:
        accounts_of([], file)
    assert says in str(caught.value)
    assert str(caught.value).startswith("--accounts ")


@pytest.mark.parametrize("word", ["", "x", "x:y", "x:y:", ":y:3", "x::3", "x:y:-3", "x:y:nan"])
def test_a_wrong_account_is_named(word):
    with pytest.raises(AtlasError, match=r"^--account "):
        accounts_of([word], None)


def test_a_key_is_given_once_and_a_missing_file_is_named(tmp_path):
    with pytest.raises(AtlasError, match="given twice"):
        accounts_of(["a:b:1", "a:c:2"], None)
    with pytest.raises(AtlasError, match="No such file"):
        accounts_of([], tmp_path / "none.toml")


def test_a_market_is_made_around_the_first_start_however_late_the_next_one_is(tmp_path):
    path = tmp_path / "paper.state"
    late = datetime(2026, 3, 2, 17, tzinfo=UTC)
    assert span_of(NOON, None) == span_of(NOON, path) == (date(2024, 2, 1), date(2025, 2, 5))
    header = store.Header(store.FORMAT, "synthetic", 1, date(2024, 2, 1))
    store.create(path, header, ()).close()
    assert span_of(late, path) == (date(2024, 2, 1), date(2027, 3, 7))
    path.write_text("garbage")
    with pytest.raises(AtlasError, match=r"^--state .*not a state file"):
        span_of(NOON, path)


def test_a_market_is_synthetic_or_replayed_and_called_so(tmp_path):
    rows = ["date,symbol,open,high,low,close,volume"]
    rows += [f"2024-{day},AAA,10,10,10,10,1000" for day in ("01-31", "02-01", "02-02")]
    file = tmp_path / "bars.csv"
    file.write_text("\n".join(rows))
    calendar = Calendar()
    name = f"replay:{file}"
    market = market_of(name, 1, date(2024, 2, 1), date(2024, 2, 2), calendar)
    assert market.symbols() == ("AAA",)
    assert market_label(name) == "replay:bars.csv"
    wanted = [WantedAccount("a", "b", Decimal(1), holdings_of("AAA=2"))]
    (account,) = opened(wanted, market, NOON)
    assert account.holdings == {"AAA": (Decimal(2), Decimal(10))}
    for wrong in ("other", "replay:", f"replay:{tmp_path}/none.csv"):
        with pytest.raises(AtlasError, match=r"^--market"):
            market_of(wrong, 1, date(2024, 2, 1), date(2024, 2, 2), calendar)
    with pytest.raises(AtlasError, match="no such symbol"):
        opened([WantedAccount("a", "b", Decimal(1), holdings_of("ZZZ=2"))], market, NOON)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])
def test_a_host_that_others_reach_needs_a_word_more(shell, host):
    done = shell("paper", "--port", "0", "--host", host, "--at", "2024-02-01")
    assert done.exit_code == 1
    assert "reachable from outside" in done.output


@pytest.mark.parametrize("word", [True, False])
def test_the_broker_is_like_live_only_if_asked(word, monkeypatch):
    started = []

    async def serve(config, json, attached):
        started.append(config)

    monkeypatch.setattr("atlas_daemon.cli.paper._serve", serve)
    paper(at="2026-11-20", like_live=word)
    acted = started[0].like_live
    assert (acted.fees, acted.dividends, acted.interest) == (word, word, word)
