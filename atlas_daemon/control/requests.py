"""What each request means: the event it becomes, and how the core's answer is read.

An event that was asked for is found again by its identity: the entries of the turn that took it
begin with it. Where no turn was written in time, the state itself is looked at.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

from atlas_daemon import __version__
from atlas_daemon.core import events as e
from atlas_daemon.core.errors import HaltedError, RefusedError, UsageError
from atlas_daemon.core.events import Entry
from atlas_daemon.core.evidence import why_unfit
from atlas_daemon.core.halt_view import unconfirmed
from atlas_daemon.core.moments import new_york_day
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.values import AccountMode, Regime, Symbol
from atlas_daemon.core.views import orders_of, status_of

from .host import Host
from .messages import RequestError, flag_arg, fraction_arg, number_arg, text_arg

WAIT_S_MAX = 60
WAITING_MAX = 10_000
"""Entries kept for a watcher that reads slowly; beyond it is let go."""
LOOK_S = 0.2
"""How often the state itself is looked at while an answer is waited for."""
PAGE = 500
"""Journal entries looked at before others get their turn."""


class Heard:
    """Entries as they are committed, kept until somebody takes them."""

    def __init__(self) -> None:
        self._batches: list[Sequence[Entry]] = []
        self._news = asyncio.Event()
        self._count = 0
        self.is_over = False
        """Too many waited: some were lost."""

    def __call__(self, entries: Sequence[Entry]) -> None:
        """Take in the entries of a turn."""
        if not entries or self.is_over:
            return
        self._count += len(entries)
        if self._count > WAITING_MAX:
            self.is_over = True
            self._batches.clear()
        else:
            self._batches.append(entries)
        self._news.set()

    def take(self) -> list[Sequence[Entry]]:
        """Return what waits, and forget it."""
        batches, self._batches, self._count = self._batches, [], 0
        self._news.clear()
        return batches

    async def wait(self, seconds: float) -> None:
        """Return at the next news, or after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._news.wait()
        except TimeoutError:
            pass

    async def until(self, ends_at: float) -> list[Sequence[Entry]] | None:
        """Return what came, now and then nothing; None once the loop's clock is at `ends_at`."""
        left_s = ends_at - asyncio.get_running_loop().time()
        if left_s <= 0:
            return None
        await self.wait(min(left_s, LOOK_S))
        return self.take()


Answer = Callable[[Host, dict[str, Any], float], Awaitable[Any]]


async def ping(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Say that the daemon turns, which one it is, and what it runs with."""
    seq, digest = host.journal_head()
    return {
        "account": host.settings.account.name,
        "mode": host.settings.account.mode,
        "seq": seq,
        "hash": digest,
        "url": host.url,
        "version": __version__,
        "config_digest": host.settings.digest(),
        "broker": host.settings.broker.trading_url,
        "deliveries": list(host.deliveries()),
    }


async def status(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Answer with the whole status."""
    return status_of(
        host.state,
        host.policy,
        host.now(),
        fault=host.fault,
        head=host.journal_head(),
        url=host.url,
    ) | {"deliveries": list(host.deliveries()), "config_waits": host.config_waits}


async def orders(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Answer with the open orders and those of the present run."""
    return orders_of(host.state, host.now())


async def trades(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Answer with the fills of a New York day, or of all."""
    wanted = _day(text_arg(request, "date"))
    found = []
    for count, entry in enumerate(host.entries(0)):
        if count % PAGE == 0:
            await asyncio.sleep(0)
        fill = entry.event
        if not isinstance(fill, e.FillBooked):
            continue
        if wanted is None or new_york_day(entry.at) == wanted:
            found.append(
                {
                    "at": entry.at.isoformat(),
                    "order": fill.order_id,
                    "symbol": fill.symbol,
                    "side": fill.side.value,
                    "qty": f"{fill.qty:f}",
                    "price": f"{fill.price:f}",
                }
            )
    return found


async def stop(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Halt, and wait for the last open order to be seen gone, up to the deadline."""
    event = e.StopRequested(text_arg(request, "by", "control"), text_arg(request, "reason", "stop"))
    was_halted = host.state.is_halted
    with _listening(host) as heard:
        host.hear(event)
        ends_at = _deadline(wait_s)
        while await heard.until(ends_at) is not None:
            halt = host.state.halt
            if halt is not None and halt.is_complete:
                break
    halt = host.state.halt
    if halt is None:
        raise RequestError(f"the stop was not taken within {wait_s:.0f} s; the daemon may hang")
    return {
        "was_halted": was_halted,
        "by": halt.by,
        "reason": halt.reason,
        "is_complete": halt.is_complete,
        "is_durable": halt.is_durable and not host.fault and host.settings.latch_path.exists(),
        "open_orders": sum(1 for _ in host.state.open_orders()),
        "unconfirmed": unconfirmed(host.state, host.policy),
    }


async def resume(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Take the latch off. The client says which account it means."""
    _check_account(host, request)
    lifts_suspension = flag_arg(request, "lifts_suspension")
    event = e.ResumeRequested(text_arg(request, "by", "control"), lifts_suspension)
    turn = await _turn_of(host, event, wait_s)
    if not any(isinstance(entry.event, e.TradingResumed) for entry in turn):
        raise RequestError("the resume had no effect", exit_code=1)
    if host.settings.latch_path.exists():
        path = host.settings.latch_path
        raise RequestError(f"{path} is still there: remove it, or the next start is halted")
    return {"mode": host.state.mode.value}


async def rebalance(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Start a run: the due slot's, or one of the operator's own. Answers with its id."""
    force, first = flag_arg(request, "force"), flag_arg(request, "first_trade")
    if force and first:
        text = "force and first_trade are two kinds of run: one was expected"
        raise RequestError(text, exit_code=UsageError.exit_code)
    if (force or first) and host.settings.mode is AccountMode.LIVE:
        _check_account(host, request)
    event = e.RebalanceRequested(text_arg(request, "by", "control"), force, first)
    with _listening(host) as heard:
        host.hear(event)
        ends_at = _deadline(wait_s)
        while (turns := await heard.until(ends_at)) is not None:
            for turn in turns:
                _raise_denied(_after(event, turn))
                for entry in turn:
                    if isinstance(entry.event, e.RunStarted):
                        return {"run": entry.event.run_id, "seq": entry.seq}
    raise RequestError(f"no run began within {wait_s:.0f} s", exit_code=1)


async def adopt(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Take the broker's figures of a symbol, or of all, as ours."""
    symbol = text_arg(request, "symbol").upper()
    if bool(symbol) == flag_arg(request, "all"):
        raise RequestError("a symbol or all was expected", exit_code=UsageError.exit_code)
    event = e.AdoptRequested(text_arg(request, "by", "control"), Symbol(symbol) if symbol else None)
    for entry in await _turn_of(host, event, wait_s):
        if isinstance(entry.event, e.BookAdopted):
            return {"positions": {s: f"{qty:f}" for s, qty in entry.event.positions}}
    raise RequestError("the adoption had no effect", exit_code=1)


async def regime(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Take a person's word on the regime, as of the last session that is over."""
    name = text_arg(request, "regime").upper()
    if name not in set(Regime):
        text = f"the regime {name or '(none)'} is none of {', '.join(Regime)}"
        raise RequestError(text, exit_code=UsageError.exit_code)
    if host.settings.mode is AccountMode.LIVE:
        _check_account(host, request)
    as_of = NYSE.last_completed(host.now()).day
    event = e.RegimeReported(Regime(name), as_of, f"set by {text_arg(request, 'by', 'control')}")
    turn = await _turn_of(host, event, wait_s)
    runs = [entry.event.run_id for entry in turn if isinstance(entry.event, e.RunStarted)]
    return {"regime": name, "as_of": as_of.isoformat(), "run": runs[0] if runs else None}


async def scale(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Deploy another part of normal sizes from the next rebalance on. Live only."""
    if host.settings.mode is AccountMode.LIVE:
        _check_account(host, request)
    event = e.ScaleRequested(text_arg(request, "by", "control"), fraction_arg(request, "scale"))
    for entry in await _turn_of(host, event, wait_s):
        if isinstance(entry.event, e.ScaleChanged):
            return {"was": f"{entry.event.was:f}", "scale": f"{entry.event.scale:f}"}
    raise RequestError("the scale had no effect", exit_code=1)


async def record(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Put a piece of evidence on record. Answers with its place in the journal."""
    names = ("kind", "name", "text", "code_digest", "config_digest")
    said = {name: text_arg(request, name) for name in names}
    event = e.EvidenceReported(**said, is_good=flag_arg(request, "is_good"))
    if why := why_unfit(event):
        raise RequestError(why, rule="evidence", exit_code=UsageError.exit_code)
    turn = await _turn_of(host, event, wait_s)
    return {"seq": turn[0].seq}


async def reload(host: Host, request: dict[str, Any], wait_s: float) -> Any:
    """Have the configuration read again. Answers when it is in force, or waits, or is refused."""
    done = host.reload()
    return {
        "changes": [
            {"name": each.name, "before": each.before, "after": each.after} for each in done.changes
        ],
        "digest": done.digest,
        "waits_for": done.waits_for,
    }


ANSWERS: dict[str, Answer] = {
    "ping": ping,
    "status": status,
    "orders": orders,
    "trades": trades,
    "stop": stop,
    "resume": resume,
    "rebalance": rebalance,
    "adopt": adopt,
    "regime": regime,
    "scale": scale,
    "record": record,
    "reload": reload,
}


async def watch(host: Host, request: dict[str, Any]) -> AsyncGenerator[Entry | None, None]:
    """Yield the entries after `after` as they come, until the run `run` has ended.

    None is yielded now and then while nothing happens, so that a client that left is noticed.
    Raises RequestError where the client reads too slowly.
    """
    run = text_arg(request, "run")
    last = number_arg(request, "after", 2**62)
    with _listening(host) as heard:
        for count, entry in enumerate(host.entries(last)):
            if count % PAGE == 0:
                await asyncio.sleep(0)
            last = entry.seq
            yield entry
            if _ends(entry, run):
                return
        while True:
            await heard.wait(1.0)
            if heard.is_over:
                raise RequestError("too much happened while nobody read: watch again")
            batches = heard.take()
            if not batches:
                yield None
            for entry in (entry for batch in batches for entry in batch if entry.seq > last):
                last = entry.seq
                yield entry
                if _ends(entry, run):
                    return


def _ends(entry: Entry, run: str) -> bool:
    event = entry.event
    return isinstance(event, e.RunFinished) and event.run_id == run


async def _turn_of(host: Host, event: e.Event, wait_s: float) -> Sequence[Entry]:
    """Have an event taken and return the entries of its turn; RequestError where it was denied."""
    with _listening(host) as heard:
        host.hear(event)
        ends_at = _deadline(wait_s)
        while (turns := await heard.until(ends_at)) is not None:
            for turn in turns:
                if _after(event, turn):
                    _raise_denied(turn)
                    return turn
    why = f"the journal cannot be written: {host.fault}" if host.fault else "the daemon may hang"
    raise RequestError(f"the request was not taken within {wait_s:.0f} s: {why}")


@contextmanager
def _listening(host: Host) -> Iterator[Heard]:
    heard = Heard()
    leave = host.subscribe(heard)
    try:
        yield heard
    finally:
        leave()


def _deadline(wait_s: float) -> float:
    return asyncio.get_running_loop().time() + wait_s


def _after(event: e.Event, turn: Sequence[Entry]) -> Sequence[Entry]:
    return turn if turn and turn[0].event is event else ()


def _raise_denied(turn: Sequence[Entry]) -> None:
    for entry in turn:
        denied = entry.event
        if isinstance(denied, e.RequestDenied):
            is_halted = denied.rule == "halted" and denied.what != "resume"
            code = HaltedError.exit_code if is_halted else RefusedError.exit_code
            raise RequestError(denied.detail, rule=denied.rule, exit_code=code)


def _check_account(host: Host, request: dict[str, Any]) -> None:
    given, name = text_arg(request, "account"), host.settings.account.name
    if given.upper() != name:
        raise RequestError(
            f"account {given or '(none)'} is not the daemon's: it holds {name}",
            rule="account",
            exit_code=UsageError.exit_code,
        )


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise RequestError(f"date {text}: YYYY-MM-DD was expected", exit_code=2) from None
