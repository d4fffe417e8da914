"""The keys against the documented defaults, and the example files against the keys."""

import re
import tomllib
from decimal import Decimal

import pytest

from atlas_daemon.config.definitions import KEYS, SECTIONS
from atlas_daemon.config.kinds import Number, Whole
from atlas_daemon.config.sources import read_dotenv

DOCUMENTED = """
[account]
name = "LARGE"
mode = "paper"
number = ""
capital = 0
manage = "all"
protected = []
[broker]
trading_url = ""
stream_url = ""
data_url = ""
[strategy]
source = "momentum_52w"
universe = "technology"
top_n = 10
weighting = "equal"
min_high_ratio = 0.90
volume_filter = 0
shares = "whole"
[regime]
source = "jump_model"
react = "crash"
lookback = 1000
lambda = 1.5
mode = "greedy"
window = 2520
confirm_sessions = 3
vix = ""
[data]
source = "alpaca"
bars_feed = "sip"
quotes_feed = "iex"
[rebalance]
anchors = ["02-01", "08-01"]
at = "open+5m"
catch_up_sessions = 5
first = "next"
min_session_left_s = 2700
fill_timeout_s = 300
rounds = 3
[execution]
order_type = "market"
limit_band_pct = 0.005
[risk]
max_position_pct = 0.15
max_total_allocation = 1.05
max_portfolio_heat = 0.08
cash_reserve_pct = 0.01
price_band_pct = 0.25
drift_band_pct = 0.05
max_price_age_s = 60
slippage_warn_pct = 0.005
[reconcile]
every_s = 60
idle_every_s = 900
[emergency]
action = "cancel"
scope = "account"
[foreign]
orders = "wait"
[paths]
state_dir = "~/.local/state/atlas/{mode}-{name}"
log_dir = "logs"
runtime_dir = ""
[dashboard]
host = "127.0.0.1"
port = 8787
token = ""
hosts = []
[notify]
webhook_url = ""
template = "auto"
apprise_url = ""
healthcheck_url = ""
healthcheck_every_s = 300
daily = false
[live]
scale = 0.25
[promote]
days_min = 30
rehearsals_min = 3
require = []
valid_days = 400
"""
WITHOUT_DEFAULT = {
    "report.expected_cagr",
    "report.expected_sharpe",
    "report.expected_max_drawdown",
}


def flat(text):
    tables = tomllib.loads(text, parse_float=Decimal)
    return {f"{s}.{word}": value for s, table in tables.items() for word, value in table.items()}


def uncommented(text):
    return re.sub(r"(?m)^#(?=[a-z_]+ = )", "", text)


def test_the_defaults_are_the_documented_ones():
    wanted = flat(DOCUMENTED)
    assert set(KEYS) == set(wanted) | WITHOUT_DEFAULT
    for name, value in wanted.items():
        assert KEYS[name].default == (tuple(value) if isinstance(value, list) else value), name
    assert all(KEYS[name].default is None for name in WITHOUT_DEFAULT)


@pytest.mark.parametrize("name", sorted(set(KEYS) - WITHOUT_DEFAULT))
def test_a_default_is_a_value_its_own_key_allows(name):
    key = KEYS[name]
    default = list(key.default) if isinstance(key.default, tuple) else key.default
    assert key.kind.from_toml(default) == key.default
    assert type(key.kind.from_toml(default)) is type(key.default)


def test_the_example_file_has_every_key_with_its_default(root):
    text = (root / "deploy/atlas.example.toml").read_text(encoding="utf-8")
    shown = flat(uncommented(text))
    assert set(shown) == set(KEYS)
    assert list(shown) == list(KEYS), "in the order of the definitions"
    for name in set(KEYS) - WITHOUT_DEFAULT:
        default = KEYS[name].default
        assert shown[name] == (list(default) if isinstance(default, tuple) else default), name
    for name in WITHOUT_DEFAULT:
        assert KEYS[name].kind.from_toml(shown[name]) == shown[name]


def test_the_example_file_changes_nothing_as_it_stands(root):
    text = (root / "deploy/atlas.example.toml").read_text(encoding="utf-8")
    assert flat(text) == {}
    assert set(tomllib.loads(text)) == set(SECTIONS)


def comments(text):
    """The comment that stands over each key of the example file."""
    found, section, block, is_open = {}, "", "", True
    for row in text.splitlines():
        if heading := re.match(r"\[(\w+)\]", row):
            section, block = heading[1], ""
        elif key := re.match(r"#(\w+) = ", row):
            found[f"{section}.{key[1]}"] = block
            is_open = False
        elif row.startswith("# "):
            block = (block if is_open else "") + row[1:]
            is_open = True
    return found


def limits(kind):
    """What a comment on a key of this kind has to name: its bounds, its words."""
    kind = getattr(kind, "kind", kind)
    kind = getattr(kind, "whole", kind)
    if isinstance(kind, Number | Whole):
        return [f"{Decimal(bound):f}" for bound in (kind.low, kind.high)]
    return re.findall(r'"([a-z_0-9]+)"', kind.allowed)


@pytest.mark.parametrize("name", KEYS)
def test_the_example_file_explains_each_key_and_names_what_it_takes(root, name):
    told = comments((root / "deploy/atlas.example.toml").read_text(encoding="utf-8"))[name]
    assert told.strip()
    missing = [limit for limit in limits(KEYS[name].kind) if limit not in told]
    assert not missing


def test_the_example_file_says_what_takes_a_restart(root):
    text = (root / "deploy/atlas.example.toml").read_text(encoding="utf-8")
    (told,) = re.findall(r"the account's\n# (.*) need a restart", text)
    sections = {key.section for key in KEYS.values() if key.is_fixed} - {"account"}
    assert set(re.findall(r"\[(\w+)\]", told)) == sections
    fixed = {n.partition(".")[2] for n in KEYS if n.startswith("account.") and KEYS[n].is_fixed}
    assert all(word in told for word in fixed)


def test_the_example_env_file_names_the_account_s_variables_and_holds_nothing(root):
    path = root / "deploy/.env.example"
    lines = read_dotenv(path)
    assert [line.name for line in lines] == ["ALPACA_LARGE_KEY", "ALPACA_LARGE_SECRET"]
    assert all(line.text == "" for line in lines)
    offered = re.findall(r"(?m)^#(ATLAS_\w+)=", path.read_text(encoding="utf-8"))
    assert set(offered) <= {key.variable for key in KEYS.values()}
    assert {key.variable for key in KEYS.values() if key.secret} == set(offered)


def test_a_variable_is_named_after_section_and_key():
    assert KEYS["risk.max_position_pct"].variable == "ATLAS_RISK__MAX_POSITION_PCT"
    assert KEYS["regime.lambda"].variable == "ATLAS_REGIME__LAMBDA"
    assert len({key.variable for key in KEYS.values()}) == len(KEYS)


def test_every_key_says_in_one_line_what_it_allows():
    for key in KEYS.values():
        assert len(key.kind.allowed.splitlines()) == 1, key.name
