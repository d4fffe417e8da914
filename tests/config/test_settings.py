"""The whole: relations, the core's policy, origins, digests, and that nothing heavy is loaded."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from datetime import timedelta
from decimal import Decimal

import pytest

from atlas_daemon.config import KEYS
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.values import AccountMode, OrderType

D = Decimal
LIVE = '[account]\nmode = "live"\nname = "LIVE"\nnumber = "123456789"\n'


def test_the_defaults_make_the_core_s_own_policy(desk):
    assert desk.load().policy() == Policy()


def test_every_deciding_key_reaches_the_policy(desk):
    desk.toml(
        """
        [account]
        capital = 25000.50
        manage = "bought"
        protected = ["BRK-B"]
        [strategy]
        shares = "fractional"
        [regime]
        react = "none"
        [rebalance]
        anchors = ["03-31"]
        at = "open+15m"
        catch_up_sessions = 2
        min_session_left_s = 1200
        fill_timeout_s = 90
        rounds = 2
        [execution]
        order_type = "limit"
        limit_band_pct = 0.01
        [risk]
        max_position_pct = 0.2
        max_total_allocation = 1
        max_portfolio_heat = 0.05
        cash_reserve_pct = 0.02
        price_band_pct = 0.3
        drift_band_pct = 0.04
        max_price_age_s = 30
        [reconcile]
        every_s = 10
        idle_every_s = 20
        [emergency]
        action = "flatten"
        scope = "ours"
        [foreign]
        orders = "drop"
        """
    )
    assert desk.load().policy() == Policy(
        capital=D("25000.50"),
        manages_all=False,
        protected=frozenset({"BRK.B"}),
        fractional=True,
        crash_reacts=False,
        anchors=((3, 31),),
        open_delay=timedelta(minutes=15),
        catch_up_sessions=2,
        min_session_left=timedelta(seconds=1200),
        fill_timeout=timedelta(seconds=90),
        rounds=2,
        order_type=OrderType.LIMIT,
        limit_band_pct=D("0.01"),
        max_position_pct=D("0.2"),
        max_total_allocation=D(1),
        max_portfolio_heat=D("0.05"),
        cash_reserve_pct=D("0.02"),
        price_band_pct=D("0.3"),
        drift_band_pct=D("0.04"),
        max_price_age=timedelta(seconds=30),
        reconcile_every=timedelta(seconds=10),
        reconcile_idle_every=timedelta(seconds=20),
        flatten_on_stop=True,
        stop_scope_account=False,
        foreign_waits=False,
    )


def test_live_manages_only_what_was_bought_unless_told_otherwise(desk):
    settings = desk.toml(LIVE).load()
    assert settings.mode is AccountMode.LIVE
    assert settings.account.manage == "bought"
    assert settings.origin("account.manage") == "default in live"
    assert desk.toml(LIVE + 'manage = "all"\n').load().account.manage == "all"


def test_only_live_needs_a_certificate_and_begins_small(desk):
    settings = desk.toml(LIVE).load()
    assert settings.policy().needs_certificate
    assert settings.policy().scale == D("0.25")
    assert desk.toml(LIVE + "[live]\nscale = 0.1\n").load().policy().scale == D("0.1")
    for mode in ("paper", "local"):
        elsewhere = desk.toml(f'[account]\nmode = "{mode}"\n[live]\nscale = 0.1\n').load()
        assert not elsewhere.policy().needs_certificate
        assert elsewhere.policy().scale == 1


@pytest.mark.parametrize("scale", ["0", "-0.1", "0.26", "1"])
def test_live_begins_with_a_quarter_at_most(desk, scale):
    with pytest.raises(ConfigError, match=r"live\.scale"):
        desk.toml(f"{LIVE}[live]\nscale = {scale}\n").load()


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (
            LIVE.replace("123456789", ""),
            'account.number = "" (atlas.toml): must be the number of the live account, '
            'because account.mode = "live" (atlas.toml)',
        ),
        (
            LIVE + '[regime]\nsource = "fixed:TREND_BULL"\n',
            'regime.source = "fixed:TREND_BULL" (atlas.toml): must be "jump_model" or "file:PATH"',
        ),
        (
            "[risk]\nmax_total_allocation = 0.1\n",
            "risk.max_position_pct = 0.15 (default) and risk.max_total_allocation = 0.1 "
            "(atlas.toml): risk.max_position_pct must be at most risk.max_total_allocation",
        ),
        (
            "[risk]\ndrift_band_pct = 0.3\n",
            "risk.drift_band_pct = 0.3 (atlas.toml) and risk.price_band_pct = 0.25 (default): ",
        ),
        (
            "[reconcile]\nevery_s = 901\n",
            "reconcile.every_s = 901 (atlas.toml) and reconcile.idle_every_s = 900 (default): ",
        ),
        (
            '[rebalance]\nat = "open+60m"\nmin_session_left_s = 19801\n',
            'rebalance.at = "open+60m" (atlas.toml) and rebalance.min_session_left_s = 19801 '
            "(atlas.toml): together they must fit into a session of 23400 s",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused_naming_both(desk, toml, said):
    with pytest.raises(ConfigError) as caught:
        desk.toml(toml).load()
    assert str(caught.value).startswith(said)


@pytest.mark.parametrize(
    "toml",
    [
        "[risk]\nmax_position_pct = 0.3\nmax_total_allocation = 0.3\n",
        "[risk]\ndrift_band_pct = 0.25\n",
        "[reconcile]\nevery_s = 900\n",
        '[rebalance]\nat = "open+60m"\nmin_session_left_s = 19800\n',
        '[regime]\nsource = "fixed:TREND_BULL"\n',
    ],
)
def test_the_edge_of_a_relation_is_allowed(desk, toml):
    desk.toml(toml).load()


def test_settings_cannot_be_changed(desk):
    settings = desk.load()
    with pytest.raises(FrozenInstanceError):
        settings.account = None
    with pytest.raises(FrozenInstanceError):
        settings.risk.max_position_pct = D(1)
    with pytest.raises(TypeError):
        settings.found["account.name"] = None


def test_a_listing_has_every_key_once_with_its_origin(desk):
    settings = desk.toml('[account]\nprotected = ["AAPL", "MSFT"]\n').load()
    items = list(settings.items())
    assert [item.name for item in items] == list(KEYS)
    listed = {item.name: item for item in items}
    assert listed["account.protected"].value == '["AAPL", "MSFT"]'
    assert listed["account.protected"].origin == "atlas.toml:2"
    assert listed["notify.daily"].value == "false"
    assert listed["report.expected_cagr"].value == ""


def test_what_changed_between_two_loads_is_named(desk):
    before = desk.load()
    after = desk.env(ATLAS_REBALANCE__ROUNDS="2", ATLAS_NOTIFY__WEBHOOK_URL="https://h/1").load()
    assert before.changed(after) == ("rebalance.rounds", "notify.webhook_url")
    assert before.changed(before) == ()


def test_the_digest_follows_values_and_not_where_they_came_from(desk):
    plain = desk.load().digest()
    assert len(plain) == 64
    desk.toml("[risk]\nmax_position_pct = 0.150\n").env(STATE_DIRECTORY="/var/lib/atlas")
    assert desk.load().digest() == plain
    assert desk.toml("[risk]\nmax_position_pct = 0.151\n").load().digest() != plain


def test_s181_the_digest_knows_no_secret(desk):
    plain = desk.load().digest()
    assert desk.env(ATLAS_NOTIFY__WEBHOOK_URL="https://hooks/1").load().digest() == plain


def test_a_digest_of_sections_sees_no_other_section(desk):
    before = desk.load()
    after = desk.env(ATLAS_DASHBOARD__PORT="0").load()
    assert before.digest("risk", "strategy") == after.digest("strategy", "risk")
    assert before.digest() != after.digest()
    assert before.digest("risk") != before.digest("strategy")


def test_a_list_and_the_same_text_have_different_digests(desk):
    one = desk.toml('[strategy]\nuniverse = ["AAPL"]\n').load().digest()
    assert desk.toml('[strategy]\nuniverse = "AAPL"\n').load().digest() != one


def test_configuration_loads_nothing_but_python_s_own(root):
    code = (
        "import sys; before = set(sys.modules); import atlas_daemon.config; "
        "print(*sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split()) - set(sys.stdlib_module_names)
    # The build's own variables, a module whose name differs from machine to machine.
    assert {name for name in loaded if not name.startswith("_sysconfigdata")} == {"atlas_daemon"}
