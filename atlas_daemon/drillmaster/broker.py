"""The local broker as a process of its own, spoken to as a client and through its side door."""

import json
import select
import subprocess
import sys
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from atlas_daemon.config.credentials import LOCAL_KEY_ID, LOCAL_SECRET

from .processes import PATIENCE_S, GoneError, end

ANSWER_S = 10.0


@dataclass
class Broker:
    """`atlasd paper`, its REST, and its operator's side door."""

    process: "subprocess.Popen[bytes]"
    url: str

    def ask(self, method: str, path: str, body: Any = None, **params: str) -> Any:
        """Return the JSON of an answer, None where it is empty."""
        query = f"?{urllib.parse.urlencode(params)}" if params else ""
        request = urllib.request.Request(  # noqa: S310 - this machine's own
            f"{self.url}{path}{query}",
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "APCA-API-KEY-ID": LOCAL_KEY_ID,
                "APCA-API-SECRET-KEY": LOCAL_SECRET,
                "Content-Type": "application/json",
            },
        )
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with direct.open(request, timeout=ANSWER_S) as response:
            text = response.read()
        return json.loads(text) if text else None

    def account(self) -> dict[str, Any]:
        """Return what the operator sees of the account; it costs no request of the budget."""
        found: dict[str, Any] = self.ask("GET", "/_admin/state")["accounts"][0]
        return found

    def positions(self) -> dict[str, Decimal]:
        """Return shares by symbol, none of them zero."""
        held = {symbol: Decimal(qty) for symbol, qty in self.account()["positions"].items()}
        return {symbol: qty for symbol, qty in held.items() if qty}

    def orders(self) -> list[dict[str, Any]]:
        """Return every order, oldest first."""
        found: list[dict[str, Any]] = self.ask(
            "GET", "/v2/orders", status="all", limit="500", direction="asc"
        )
        return found

    def executions(self) -> list[dict[str, Any]]:
        """Return every fill, oldest first."""
        found: list[dict[str, Any]] = []
        params = {"activity_types": "FILL", "direction": "asc", "page_size": "100"}
        while page := self.ask("GET", "/v2/account/activities", **params):
            found += page
            params["page_token"] = page[-1]["id"]
        return found

    def open_orders(self) -> int:
        """Return how many orders are open."""
        return int(self.account()["open_orders"])

    def fills(self) -> int:
        """Return how many activities there are; before any money moves each is a fill."""
        return int(self.account()["activities"])

    def go_to(self, at: str) -> None:
        """Put the clock forward."""
        self.ask("POST", "/_admin/clock", {"at": at})

    def speed(self, speed: float) -> None:
        """Let so many seconds of the broker's pass in one."""
        self.ask("POST", "/_admin/clock", {"speed": speed})

    def fault(self, **fault: Any) -> None:
        """Arm a fault of the console."""
        self.ask("POST", "/_admin/faults", fault)

    def trading(self, symbol: str, *, is_halted: bool) -> None:
        """Halt a symbol, so that its orders rest, or let it trade again."""
        kind = "halt" if is_halted else "resume"
        self.ask("POST", "/_admin/events", {"kind": kind, "symbol": symbol})

    def heal(self) -> None:
        """Take every fault off."""
        self.ask("DELETE", "/_admin/faults")


@contextmanager
def running_broker(
    *arguments: str, cwd: Path, complaints: int | None = None, environ: Mapping[str, str]
) -> Iterator[Broker]:
    """Run the local broker for the length of the block. Raises GoneError where it does not start.

    `complaints` is the descriptor that its standard error goes to; ours, where None.
    """
    process = subprocess.Popen(  # noqa: S603 - this package
        [
            *(sys.executable, "-m", "atlas_daemon", "paper", "--port", "0", "--json"),
            *("--attached", *arguments),
        ],
        cwd=cwd,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=complaints,
        start_new_session=True,  # a Ctrl-C of the terminal is ours to handle
    )
    assert process.stdin is not None and process.stdout is not None
    try:
        ready, _, _ = select.select([process.stdout], [], [], PATIENCE_S)
        line = process.stdout.readline() if ready else b""
        if not line:
            raise GoneError("the local broker does not start")
        yield Broker(process, json.loads(line)["url"])
    finally:
        process.stdin.close()
        end(process)
        process.stdout.close()
