"""The trading client that knows whose account it is: nothing but questions leaves before that.

Lives here: the broker's word on the account's number, held against the pinned one. May not live
here: where a number is pinned, keys and addresses.
"""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from atlas_daemon.core.errors import RefusedError
from atlas_daemon.core.values import Account
from atlas_daemon.edges.alpaca.client import AlpacaTradingClient
from atlas_daemon.edges.alpaca.faults import (
    BrokerRefusedError,
    NoVerdictError,
    OutcomeUnknownError,
    RateLimitedError,
    Unknown,
)
from atlas_daemon.edges.alpaca.pool import Gate
from atlas_daemon.edges.alpaca.transport import Answer
from atlas_daemon.edges.alpaca.wire import CancelResult

CANCEL_WAIT_S = 5.0
NO_ANSWER = (BrokerRefusedError, NoVerdictError, OutcomeUnknownError, RateLimitedError)


class ForeignAccountError(RefusedError):
    """The keys open another account than the pinned one. Nothing was sent."""


class PinnedClient(AlpacaTradingClient):
    """Sends to one account only; `pinned` gives its number, empty where nobody pinned one yet."""

    def __init__(self, *args: Any, pinned: Callable[[], str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.pinned = pinned
        self.seen = ""
        """The number in the broker's last answer on the account; empty before the first."""

    async def get_account(self) -> Account:
        """Return the account, and remember its number."""
        account = await super().get_account()
        self.seen = account.number
        return account

    async def cancel_order(self, order_id: str) -> bool:
        """Cancel as the client does, in the pinned account only."""
        await self._prove(f"cancel {order_id}", is_cancel=True)
        return await super().cancel_order(order_id)

    async def cancel_all_orders(self) -> tuple[CancelResult, ...]:
        """Cancel as the client does, in the pinned account only."""
        await self._prove("cancel all", is_cancel=True)
        return await super().cancel_all_orders()

    async def _send(
        self, method: str, path: str, payload: Mapping[str, object], gate: Gate | None = None
    ) -> Answer:
        what = f"{method} {path}"
        await self._prove(what)
        return await super()._send(method, path, payload, partial(self._ask_gates, what, gate))

    def _ask_gates(self, what: str, gate: Gate | None) -> None:
        self.refuse_foreign(what)
        if gate is not None:
            gate()

    async def _prove(self, what: str, *, is_cancel: bool = False) -> None:
        """Let nothing leave before the broker has named the account, and named the pinned one.

        A cancel leaves also where the broker was asked and names none within `CANCEL_WAIT_S`: it
        only takes risk away.
        """
        if not self.seen:
            try:
                async with asyncio.timeout(CANCEL_WAIT_S if is_cancel else None):
                    await self.get_account()
            except (*NO_ANSWER, TimeoutError) as e:
                if not is_cancel:
                    unknown = Unknown(f"the account's number is not seen: {e}", False)
                    raise OutcomeUnknownError(what, unknown) from e
        self.refuse_foreign(what)

    def refuse_foreign(self, what: str) -> None:
        """Raise ForeignAccountError where the broker named another account than the pinned one."""
        pinned = self.pinned()
        if pinned and self.seen and self.seen != pinned:
            raise ForeignAccountError(
                f"{what}: account number: the keys open account {self.seen}, and {pinned} is "
                "pinned: nothing was sent"
            )
