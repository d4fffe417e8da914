"""Our order stream opens with the frames that alpaca-py's opens with."""

import asyncio
import warnings

import pytest
from aiohttp import web

from atlas_daemon.edges.alpaca.stream import TradeStream
from atlas_daemon.edges.alpaca.transport import open_session

with warnings.catch_warnings():
    # alpaca-py still rests on a deprecated corner of the websockets library.
    warnings.simplefilter("ignore")
    from alpaca.trading.stream import TradingStream

pytestmark = pytest.mark.filterwarnings("ignore:.*websockets.*:DeprecationWarning")


@pytest.mark.asyncio
async def test_the_stream_is_opened_with_the_frames_of_alpacas_own() -> None:
    frames: dict[str, list[object]] = {"ours": [], "theirs": []}
    is_heard = asyncio.Event()

    async def serve(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        said = frames[request.path.strip("/")]
        said.append(await socket.receive_json())
        data: dict[str, object] = {"status": "authorized", "action": "authenticate"}
        await socket.send_json({"stream": "authorization", "data": data})
        said.append(await socket.receive_json())
        data = {"streams": ["trade_updates"]}
        await socket.send_json({"stream": "listening", "data": data})
        is_heard.set()
        await socket.receive()
        return socket

    app = web.Application()
    app.add_routes([web.get("/ours", serve), web.get("/theirs", serve)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"ws://127.0.0.1:{runner.addresses[0][1]}"

    async def hear_nothing(update: object) -> None: ...

    ours = TradeStream(f"{url}/ours", "PKTEST", "secret", open_session, lambda news: None)
    theirs = TradingStream("PKTEST", "secret", url_override=f"{url}/theirs")
    theirs.subscribe_trade_updates(hear_nothing)
    for run in (ours.run, theirs._run_forever):
        is_heard.clear()
        task = asyncio.create_task(run())
        await asyncio.wait_for(is_heard.wait(), 10)
        while not task.done():  # alpaca-py may take a cancel for a timeout, and go on
            task.cancel()
            await asyncio.wait([task], timeout=0.5)
    await theirs.close()
    await runner.cleanup()
    assert len(frames["ours"]) == 2
    assert frames["ours"] == frames["theirs"]
