"""The real daemon rebalances, and a real webhook hears of it: twice, and not more."""

import asyncio

import pytest
from aiohttp import web

from tests.e2e.fast_loop import FastLoop
from tests.e2e.one_process import a_scene


async def heard_of_a_rebalance(folder) -> list[dict]:
    taken: list[dict] = []

    async def take(request: web.Request) -> web.Response:
        taken.append(await request.json())
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", take)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    try:
        async with a_scene(folder, held={"CCC": 20}, notify__webhook_url=url) as scene:
            finished = await scene.is_finished()
            assert finished.outcome == "done"
            await scene.until(lambda: len(taken) >= 2)
            for _ in range(10):
                await scene.broker.wait(5)
                await asyncio.sleep(0.01)
    finally:
        await runner.cleanup()
    return taken


@pytest.mark.e2e
def test_an_ordinary_rebalance_is_two_messages(tmp_path) -> None:
    with asyncio.Runner(loop_factory=FastLoop) as runner:
        first, second = runner.run(heard_of_a_rebalance(tmp_path))

    assert (first["about"], first["level"]) == ("started", "info")
    assert first["text"].startswith("rebalance 2024-02 begins: its date has come")
    assert first["account"] == "[LOCAL] PROOF"
    assert (second["about"], second["level"]) == ("run", "info")
    assert "2024-02 done" in second["text"]
    seq, _, digest = second["head"].partition(":")
    assert int(seq) >= int(first["head"].partition(":")[0]) > 0
    assert len(digest) == 64
