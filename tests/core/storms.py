"""The world that the storm tests disturb: five picks, two holdings, and how it ends in calm."""

from .faults import Faults
from .world import World, a_world, is_done, ten_picks

PICKS = ten_picks("ABCDE")
ZED = {"held": {"ZED": 50, "A": 300}, "prices": {"ZED": 100, "A": 20}}


def calm_end() -> dict:
    return a_world(picks=PICKS, **ZED).run(is_done()).held


CALM = calm_end()


def first_time(fate: str, *ids: str):
    """The first request of an order whose id holds one of `ids` meets its fate."""
    return lambda order_id, sends: fate if sends == 1 and any(i in order_id for i in ids) else "ok"


def faulty(**faults) -> World:
    return a_world(picks=PICKS, faults=Faults(**faults), **ZED)


def only_alerts(world: World, level: str) -> list[str]:
    return [text for alert_level, _, text in world.alerts if alert_level == level]
