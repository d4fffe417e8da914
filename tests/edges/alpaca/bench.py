"""A client in front of the stub, on a clock driven by hand."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from atlas_daemon.edges.alpaca.budget import RequestBudget
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from tests.edges.stub import HandClock, Stub, running_stub

OUR_ID = "atlas-2027-02-r1-buy-SPY-1"
SECRET = "s3cr3t-never-shown"

Ask = Callable[[AlpacaTradingClient], Any]


class Bench:
    """A client in front of a stub, on a clock driven by hand."""

    def __init__(self, stub: Stub, **changes: Any) -> None:
        self.stub = stub
        self.clock = HandClock()
        budget = RequestBudget(clock=self.clock, sleep=self.clock.sleep)
        self.budget = changes.pop("budget", budget)
        self.client = AlpacaTradingClient(
            **{
                "key_id": "PKTEST",
                "secret": SECRET,
                "trading_url": stub.url + "/v2/",
                "data_url": stub.url,
                "sleep": self.clock.sleep,
                "budget": self.budget,
                "wall": self.clock,
            }
            | changes
        )


@asynccontextmanager
async def a_bench(**changes: Any) -> AsyncIterator[Bench]:
    async with running_stub() as stub:
        bench = Bench(stub, **changes)
        try:
            yield bench
        finally:
            await bench.client.close()


def refusal(code: int, message: str, **extras: str) -> dict[str, Any]:
    return {"code": code, "message": message, **extras}
