"""Small makers of the core's records: keyword overrides over one quiet day, 2024-02-01."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.orders import Order, OrderStatus
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.state import ActivityLog, Book, Figures, Halt, Phase, RegimeSeen, Run, State
from atlas_daemon.core.values import (
    ALLOCATION,
    Account,
    AccountMode,
    Activity,
    Asset,
    BrokerOrderId,
    Draft,
    Mode,
    OpenOrder,
    OrderId,
    OrderType,
    Pick,
    Position,
    Quote,
    Regime,
    RunId,
    Side,
    Symbol,
)

DAY = date(2024, 2, 1)
"""The slot's order session, a Thursday; closes at 16:00 New York = 21:00 UTC."""
SIGNAL_DAY = date(2024, 1, 31)
OPEN = datetime(2024, 2, 1, 14, 30, tzinfo=UTC)
CLOSE = datetime(2024, 2, 1, 21, tzinfo=UTC)
NOW = OPEN + timedelta(minutes=6)
BORN = datetime(2024, 1, 15, 12, tzinfo=UTC)
RUN = RunId("2024-02")
POLICY = Policy()


def secs(count: float) -> timedelta:
    return timedelta(seconds=count)


def a_policy(**more) -> Policy:
    return replace(POLICY, **more)


def an_account(equity="100000", cash="100000", buying_power=None, **more) -> Account:
    return Account(
        **{
            "number": "PA1",
            "status": "ACTIVE",
            "equity": Decimal(equity),
            "cash": Decimal(cash),
            "buying_power": Decimal(buying_power if buying_power is not None else cash) * 4,
        }
        | more
    )


def a_position(symbol="AAPL", qty="10", price="100", available=None, **more) -> Position:
    free = Decimal(qty if available is None else available)
    return Position(Symbol(symbol), Decimal(qty), Decimal(price), free, Decimal(price), **more)


def a_quote(symbol="AAPL", price="100", at=NOW, **more) -> Quote:
    """A quote one cent around its mid."""
    mid = Decimal(price)
    return replace(
        Quote(Symbol(symbol), mid - Decimal("0.01"), mid + Decimal("0.01"), at, mid, at), **more
    )


def an_asset(symbol="AAPL", tradable=True, **more) -> Asset:
    return Asset(Symbol(symbol), tradable, **more)


def an_open_order(symbol="AAPL", side=Side.BUY, client_order_id="foreign-1", **more) -> OpenOrder:
    return replace(
        OpenOrder(
            BrokerOrderId("b-" + client_order_id),
            client_order_id,
            Symbol(symbol),
            Side(side),
            Decimal(5),
            Decimal(0),
            "new",
        ),
        **more,
    )


def an_activity(kind="FEE", net=None, symbol="", qty=None, price=None, id_="", **more) -> Activity:
    """An activity of this very moment; a FILL is of an order `b-manual` unless said otherwise."""
    number = {"net": net, "qty": qty, "price": price}
    net, qty, price = (None if x is None else Decimal(x) for x in number.values())
    return replace(
        Activity(
            id_ or f"20240201::{kind}-{symbol}", kind, NOW, DAY, Symbol(symbol), "", qty, price, net
        ),
        **({"broker_order_id": "b-manual", "cum_qty": qty} if kind == "FILL" else {}) | more,
    )


def listed(*activities, asked_at=NOW) -> e.ActivitiesReported:
    """The whole list of activities."""
    return e.ActivitiesReported(asked_at - timedelta(days=3), asked_at, activities)


def a_snapshot(asked_at=NOW, positions=(), open_orders=(), **account) -> e.SnapshotReported:
    return e.SnapshotReported(asked_at, an_account(**account), tuple(positions), tuple(open_orders))


def an_order_id(symbol="AAPL", side="buy", round_=1, attempt=1, run=RUN) -> OrderId:
    return OrderId(f"atlas-{run}-r{round_}-{side}-{symbol}-{attempt}")


def a_draft(symbol="AAPL", side="buy", qty="10", price="100", round_=1, **more) -> Draft:
    return replace(
        Draft(
            order_id=an_order_id(symbol, side, round_),
            run_id=RUN,
            symbol=Symbol(symbol),
            side=Side(side),
            qty=Decimal(qty),
            order_type=OrderType.MARKET,
            expected_price=None if price is None else Decimal(price),
            priced_at=NOW,
        ),
        **more,
    )


def an_order(symbol="AAPL", side="buy", qty="10", status="working", *, draft=None, **more) -> Order:
    order = Order(
        draft or a_draft(symbol, side, qty),
        OrderStatus(status),
        NOW,
        NOW,
        NOW,
        broker_order_id=None
        if status in ("sending", "unknown")
        else BrokerOrderId(f"b-{symbol}-{side}"),
        broker_status="" if status in ("sending", "unknown") else "new",
    )
    return replace(order, **more)


def a_pick(symbol="AAPL", weight="0.1", close="100", **more) -> Pick:
    return Pick(Symbol(symbol), Decimal(weight), None if close is None else Decimal(close), **more)


def some_signals(picks=None, regime=Regime.TREND_BULL, day=SIGNAL_DAY, **more):
    picks = (a_pick(),) if picks is None else tuple(picks)
    return replace(
        e.SignalsReported(
            day, picks, {p.symbol: p.close for p in picks if p.close}, regime, day, "test"
        ),
        **more,
    )


def a_line(symbol="AAPL", current="0", target="10", weight="0.1", price="100", **more):
    return e.PlanLine(
        Symbol(symbol),
        Decimal(current),
        Decimal(target),
        Decimal(weight),
        None if price is None else Decimal(price),
        None if price is None else Decimal(price),
        **more,
    )


def a_plan(lines=None, regime=Regime.TREND_BULL, equity="100000", round_=1, **more) -> e.RunPlanned:
    return replace(
        e.RunPlanned(
            run_id=RUN,
            round=round_,
            regime=regime,
            allocation=ALLOCATION[regime],
            equity=Decimal(equity),
            portfolio_value=Decimal(equity),
            deployable=Decimal(equity) * ALLOCATION[regime],
            cash=Decimal(equity),
            lines=(a_line(),) if lines is None else tuple(lines),
            notes=(),
            digest="",
        ),
        **more,
    )


def a_run(phase=Phase.BUYING, plan=None, **more) -> Run:
    is_planned = phase in (Phase.SELLING, Phase.BUYING, Phase.RECONCILING)
    return replace(
        Run(
            RUN,
            "slot",
            "2024-02",
            DAY,
            SIGNAL_DAY,
            NOW,
            DAY,
            phase=phase,
            phase_at=NOW,
            round=1 if is_planned else 0,
            session_round=1 if is_planned else 0,
            plan=plan or (a_plan() if is_planned else None),
            signals=some_signals() if is_planned else None,
        ),
        **more,
    )


def a_halt(**more) -> Halt:
    return replace(Halt("test", "looks wrong", NOW), **more)


def figures(**more) -> Figures:
    """Stream listening, one answered question, quotes and assets of AAPL and MSFT."""
    symbols = (Symbol("AAPL"), Symbol("MSFT"))
    return replace(
        Figures(
            started_at=BORN,
            snapshot=a_snapshot(),
            heard_at=NOW,
            quotes={s: a_quote(s) for s in symbols},
            assets={s: an_asset(s) for s in symbols},
            assets_asked=frozenset(symbols),
            asked_at=NOW,
            stream="listening",
            stream_at=BORN,
            clean_since=BORN,
            matched_at=NOW,
            first_matched_at=BORN,
            activities_asked_at=NOW,
            activities_at=NOW,
            sessions_asked_at=NOW,
            sessions_agreed=(DAY, DAY),
        ),
        **more,
    )


def a_state(*, orders=(), seen: Mapping | None = None, **more) -> State:
    """A reconciled, trading daemon of nothing but cash; `seen` overrides its figures."""
    book = Book(cash=Decimal(100000), is_known=True, changed_at=BORN)
    return replace(
        State(
            now=NOW,
            seq=100,
            born_at=BORN,
            account_name="LARGE",
            account_mode=AccountMode.PAPER,
            account_number="PA1",
            mode=Mode.TRADING,
            mode_reason="reconciled, stream listening",
            book=book,
            activities=ActivityLog(read_at=BORN),
            orders={order.draft.order_id: order for order in orders},
            regime=RegimeSeen(Regime.TREND_BULL, SIGNAL_DAY, "test", BORN),
            figures=figures(**(seen or {})),
        ),
        **more,
    )


def holding(cash="100000", bought: Mapping | None = None, **positions) -> Book:
    """A book with `positions` shares of each symbol."""
    held = {Symbol(s): Decimal(q) for s, q in positions.items()}
    return Book(Decimal(cash), held, held if bought is None else bought, BORN, True)


def reported(order: Order, status: str, filled="0", price=None, **more) -> e.OrderReported:
    """The broker's word on an order as a whole."""
    draft = order.draft
    return replace(
        e.OrderReported(
            draft.order_id,
            BrokerOrderId(f"b-{draft.symbol}-{draft.side}"),
            draft.symbol,
            draft.side,
            draft.qty,
            status,
            Decimal(filled),
            None if price is None else Decimal(price),
            "lookup",
        ),
        **more,
    )


def filled(order: Order, qty: str, total: str, price="100", status=None, execution="x1", **more):
    """One execution of an order, `total` shares after it."""
    draft = order.draft
    done = "filled" if Decimal(total) >= draft.qty else "partially_filled"
    return replace(
        e.OrderFilled(
            draft.order_id,
            BrokerOrderId(f"b-{draft.symbol}-{draft.side}"),
            draft.symbol,
            draft.side,
            draft.qty,
            execution,
            Decimal(qty),
            Decimal(price),
            Decimal(total),
            Decimal(price),
            status or done,
        ),
        **more,
    )
