"""The first trade at the local broker: parts of shares over the wire, whole ones where it must."""

from datetime import timedelta
from decimal import Decimal

from atlas_daemon.cli.staged import player_with
from atlas_daemon.core import events as e
from atlas_daemon.paper.market.calendar import Calendar
from atlas_daemon.stage import Scene, Stage, perform
from tests.e2e.one_process import Wish
from tests.paper.world import OPEN, TableMarket
from tests.stage.test_stage import account_of, settings_in


def test_parts_of_shares_where_the_asset_allows_and_whole_ones_elsewhere(tmp_path):
    market = TableMarket(
        SPY=("479.9", "480"), AAA=("36.99", "37.01"), BBB=("62.45", "62.55"), CCC=("299", "301")
    )
    market.unfractionable = {"BBB", "CCC"}
    set_up = Scene(
        market=market,
        calendar=Calendar(),
        starts_at=OPEN - timedelta(minutes=10),
        cash=Decimal(10_000),
        holdings={"SPY": (Decimal(3), Decimal(480))},
    )
    wish = Wish(("AAA", "BBB", "CCC"))
    wish.closes.update(AAA=Decimal(37), BBB=Decimal("62.5"), CCC=Decimal(300))
    settings = settings_in(tmp_path, **{"rebalance.anchors": ["08-01"]})

    async def play(stage: Stage):
        assert await stage.rest(600)
        await stage.leap(OPEN + timedelta(minutes=20))
        stage.player.hear(e.RebalanceRequested("ann", force=False, is_first_trade=True))
        assert await stage.rest(600)
        account = account_of(stage)
        return stage.player.state.last_run, {s: p.qty for s, p in account.positions.items()}

    run, held = perform(play, settings, set_up, player_with(wish))
    assert (run.run_id, run.outcome) == ("first-20240201-1", "done")
    assert held["SPY"] == 3
    assert held["BBB"] == 1
    assert "CCC" not in held
    assert Decimal("99.9") < held["AAA"] * Decimal(37) <= 100
    assert held["AAA"] == round(held["AAA"], 9)
    notes = {line.symbol: line.note for line in run.report.lines}
    assert notes["CCC"] == "costs 300.00: no whole share for 100.00 dollars"
