"""What alpaca-py costs: `python -m bench.alpaca_py orders|stream URL COUNT` says it as JSON."""

import asyncio
import json
import sys
import time

from alpaca.trading import TradeUpdate
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderSide, TimeInForce
from alpaca.trading.requests import MarketOrderRequest
from alpaca.trading.stream import TradingStream

from bench.words import symbol_of, update_words

WARM = 40
"""Orders before the first that counts: connection, caches."""
PARSES = 2_000


def orders(url: str, count: int) -> dict[str, float]:
    """Submit orders one after the other, as the client does."""
    client = TradingClient("key", "secret", paper=True, url_override=url)
    begun_s = 0.0
    for number in range(-WARM, count):
        if number == 0:
            begun_s = time.process_time()
        order = client.submit_order(
            MarketOrderRequest(
                symbol=symbol_of(number % 20),
                qty=10,
                side=OrderSide.BUY,
                time_in_force=TimeInForce.DAY,
                client_order_id=f"peer-{number}",
            )
        )
        assert order.client_order_id == f"peer-{number}"
    return {"order_s": (time.process_time() - begun_s) / count}


async def stream(url: str, count: int) -> dict[str, float]:
    """Listen until so many updates have come; then parse one frame alone."""
    address = url.replace("http", "ws", 1) + f"/burst/{count}"
    listener = TradingStream("key", "secret", url_override=address)
    seen, begun_s, is_over = 0, 0.0, asyncio.Event()

    async def note(update: TradeUpdate) -> None:
        nonlocal seen, begun_s
        seen += 1
        if seen == 1:
            begun_s = time.process_time()
        elif seen == count:
            is_over.set()

    listener.subscribe_trade_updates(note)
    task = asyncio.create_task(listener._run_forever())
    await is_over.wait()
    update_s = (time.process_time() - begun_s) / (count - 1)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return {"update_s": update_s, "parse_s": _parse_s()}


def _parse_s() -> float:
    frames = [json.dumps(words) for words in update_words(PARSES)]
    begun_s = time.process_time()
    for text in frames:
        TradeUpdate(**json.loads(text)["data"])
    return (time.process_time() - begun_s) / PARSES


if __name__ == "__main__":
    what, url, count = sys.argv[1], sys.argv[2], int(sys.argv[3])
    said = orders(url, count) if what == "orders" else asyncio.run(stream(url, count))
    print(json.dumps(said))
