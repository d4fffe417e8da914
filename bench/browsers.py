"""`python -m bench.browsers HOST PORT COUNT [--fetch]`: open pages, in a process of their own.

Each listens to the daemon's events over a socket of its own; with `--fetch` it asks for every
section that it is told of, as the page's script does. It says `ready` once all are told how it
stands, and at the end of its standard input how many events came and how many sections were had.
"""

import asyncio
import json
import sys


class Browsers:
    """So many of them, and what they heard."""

    def __init__(self, host: str, port: int, fetches: bool) -> None:
        self.host, self.port, self.fetches = host, port, fetches
        self.ready = self.events = self.sections = 0

    async def listen(self) -> None:
        """Be one of them, until the daemon ends it."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        writer.write(b"GET /api/events HTTP/1.0\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        while True:
            said = await reader.readuntil(b"\n\n")
            if said.startswith(b"event: status"):
                self.ready += 1
            elif said.startswith(b"event: changed"):
                self.events += 1
                if self.fetches:
                    data = json.loads(said.partition(b"data: ")[2])
                    await self.fetch(data["sections"])

    async def fetch(self, sections: list[str]) -> None:
        """Ask for sections over one connection, one after the other."""
        reader, writer = await asyncio.open_connection(self.host, self.port)
        for name in sections:
            writer.write(f"GET /part/{name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            head = await reader.readuntil(b"\r\n\r\n")
            size = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(size)
            self.sections += 1
        writer.close()


async def main(host: str, port: int, count: int, fetches: bool) -> None:
    """Open them, and keep them open until standard input ends."""
    browsers = Browsers(host, port, fetches)
    tasks = [asyncio.create_task(browsers.listen()) for _ in range(count)]
    while browsers.ready < count:  # noqa: ASYNC110 - it is waited for once
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.read)
    print(json.dumps({"events": browsers.events, "sections": browsers.sections}), flush=True)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), "--fetch" in sys.argv))
