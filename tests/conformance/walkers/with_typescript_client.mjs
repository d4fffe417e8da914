// Alpaca's official TypeScript client walks the local broker and says, step by step, what it parsed.
//
// `node with_typescript_client.mjs FOLDER URL STREAM_URL KEY SECRET`, where FOLDER/node_modules has
// the client.

import { createRequire } from "node:module";
import { setTimeout as pause } from "node:timers/promises";

const [FOLDER, URL_, STREAM_URL, KEY, SECRET] = process.argv.slice(2);
const { trading, marketData, streaming, ApiError } = createRequire(`${FOLDER}/`)(
  "@alpacahq/alpaca-trade-api",
);
const STEP_MS = 20_000;

const settings = { keyId: KEY, secret: SECRET, basePath: URL_ };
const config = new trading.Configuration(settings);
const accounts = new trading.AccountsApi(config);
const activities = new trading.AccountActivitiesApi(config);
const assets = new trading.AssetsApi(config);
const calendar = new trading.CalendarApi(config);
const clocks = new trading.ClockApi(config);
const configurations = new trading.AccountConfigurationsApi(config);
const history = new trading.PortfolioHistoryApi(config);
const orders = new trading.OrdersApi(config);
const positions = new trading.PositionsApi(config);
const stocks = new marketData.StockApi(new marketData.Configuration(settings));
const actions = new marketData.CorporateActionsApi(new marketData.Configuration(settings));

const tell = (step, saw) => console.log(JSON.stringify({ step, saw }));
const text = (value) => (value == null ? null : String(value));
const minute = (moment) => new Date(moment).toISOString().slice(0, 16);
const day = (moment) => new Date(moment).toISOString().slice(0, 10);

// Quantities have nine decimals at most: whole billionths add up exactly.
const total = (amounts) => {
  const billionths = amounts.reduce((sum, amount) => sum + BigInt(Math.round(amount * 1e9)), 0n);
  return String(Number(billionths) / 1e9);
};

const refuse = async (step, call) => {
  try {
    await call();
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const { code, status } = error;
    // The client adds a hint of its own behind some of the broker's words.
    const message = error.message.replace(/ \((?!requested).*\)$/s, "");
    console.log(JSON.stringify({ step, refused: { code: code ?? null, message, status } }));
    return;
  }
  tell(step, { was: "not refused" });
};

const order = (clientOrderId, changes = {}) => ({
  postOrderRequest: {
    symbol: "SPY", qty: "1", side: "buy", type: "market", timeInForce: "day", clientOrderId,
    ...changes,
  },
});
const limit = (clientOrderId, limitPrice, changes = {}) =>
  order(clientOrderId, { type: "limit", qty: "2", limitPrice, ...changes });

// What the stream said and nobody has asked for yet.
const heard = [];
const stream = new streaming.TradingStream({
  credentials: { keyId: KEY, secret: SECRET },
  url: STREAM_URL,
});
stream.onTradeUpdate((update) => heard.push(update));
const until = async (event, clientOrderId) => {
  const found = [];
  for (let waitedMs = 0; waitedMs < STEP_MS; waitedMs += 5) {
    while (heard.length) {
      const update = heard.shift();
      if (update.order.clientOrderId !== clientOrderId) continue;
      found.push(update);
      if (update.event === event) return found;
    }
    await pause(5);
  }
  throw new Error(`no ${event} of ${clientOrderId} came over the stream`);
};
const last = async (event, clientOrderId) => (await until(event, clientOrderId)).at(-1);

const listen = () =>
  new Promise((resolve, reject) => {
    stream.on("subscription", resolve);
    stream.on("error", (problem) => reject(new Error(String(problem))));
    stream.subscribeTradeUpdates();
    stream.connect();
  });

async function lookAround() {
  const account = await accounts.getAccount();
  tell("account", {
    status: account.status,
    cash: text(account.cash),
    equity: text(account.equity),
    buying_power: text(account.buyingPower),
    multiplier: account.multiplier,
    trading_blocked: account.tradingBlocked,
  });
  const clock = await clocks.legacyClock();
  tell("clock", {
    is_open: clock.isOpen,
    next_open: minute(clock.nextOpen),
    next_close: minute(clock.nextClose),
  });
  const days = await calendar.legacyCalendar({
    start: new Date("2024-11-25"),
    end: new Date("2024-11-29"),
  });
  tell("calendar", { days: days.map((each) => `${day(each.date)} ${each.open} ${each.close}`) });
  const listed = await assets.getV2Assets({ assetClass: "us_equity" });
  tell("assets", { symbols: listed.map((each) => each.symbol) });
  const asset = await assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: "SPY" });
  tell("asset", {
    symbol: asset.symbol,
    asset_class: asset._class,
    status: asset.status,
    tradable: asset.tradable,
    fractionable: asset.fractionable,
  });
  const held = await positions.getAllOpenPositions();
  tell("positions", { symbols: held.map((each) => each.symbol) });
  const position = await positions.getOpenPosition({ symbolOrAssetId: "SPY" });
  tell("position", {
    side: position.side,
    qty: text(position.qty),
    qty_available: text(position.qtyAvailable),
    avg_entry_price: text(position.avgEntryPrice),
    market_value: text(position.marketValue),
    cost_basis: text(position.costBasis),
  });
}

async function latch() {
  const before = await configurations.getAccountConfig();
  tell("configurations", {
    suspend_trade: before.suspendTrade,
    max_margin_multiplier: before.maxMarginMultiplier,
  });
  const change = (suspendTrade) =>
    configurations.patchAccountConfig({ accountConfigurations: { suspendTrade } });
  tell("suspend", { suspend_trade: (await change(true)).suspendTrade });
  await refuse("suspended", () => orders.postOrder(order("suspended")));
  tell("resume", { suspend_trade: (await change(false)).suspendTrade });
}

async function trade() {
  let sent = await orders.postOrder(order("market"));
  tell("market_order", {
    status: sent.status,
    type: sent.type,
    side: sent.side,
    time_in_force: sent.timeInForce,
    qty: text(sent.qty),
  });
  let fill = await last("fill", "market");
  tell("market_fill", {
    qty: text(fill.qty),
    price: text(fill.price),
    position_qty: text(fill.positionQty),
    status: fill.order.status,
    filled_qty: text(fill.order.filledQty),
  });
  let found = await orders.getOrderByClientOrderId({ clientOrderId: "market" });
  tell("order_by_client_id", {
    is_same: found.id === sent.id,
    filled_avg_price: text(found.filledAvgPrice),
  });
  found = await orders.getOrderByOrderID({ orderId: sent.id });
  tell("order_by_id", {
    status: found.status,
    filled_qty: text(found.filledQty),
    client_order_id: found.clientOrderId,
  });
  await refuse("cancel_late", () => orders.deleteOrderByOrderID({ orderId: sent.id }));

  sent = await orders.postOrder(limit("limit", "80.25"));
  tell("limit_order", {
    status: sent.status,
    type: sent.type,
    limit_price: text(sent.limitPrice),
    qty: text(sent.qty),
  });
  await until("new", "limit");
  const open = await orders.getAllOrders({ status: "open", nested: true, symbols: "SPY" });
  tell("open_orders", { client_order_ids: open.map((each) => each.clientOrderId) });
  await orders.deleteOrderByOrderID({ orderId: sent.id });
  const canceled = await last("canceled", "limit");
  tell("cancel", { status: canceled.order.status, filled_qty: text(canceled.order.filledQty) });

  sent = await orders.postOrder(order("notional", { qty: undefined, notional: "250" }));
  tell("notional_order", { notional: text(sent.notional), qty: text(sent.qty) });
  fill = await last("fill", "notional");
  tell("notional_fill", {
    position_qty: text(fill.positionQty),
    filled_qty: text(fill.order.filledQty),
  });

  await orders.postOrder(order("parts", { symbol: "CHEAP", qty: "20" }));
  const parts = (await until("fill", "parts")).filter((each) => each.event.endsWith("fill"));
  tell("partial_fills", {
    events: [...new Set(parts.map((each) => each.event))].sort(),
    sum: total(parts.map((each) => Number(each.qty))),
    filled_qty: text(parts.at(-1).order.filledQty),
    filled_avg_price: text(parts.at(-1).order.filledAvgPrice),
  });
  await refuse("too_many_shares", () =>
    orders.postOrder(order("many", { qty: "100", side: "sell" })),
  );
}

async function change() {
  const old = await orders.postOrder(
    limit("old", "8", { symbol: "CHEAP", timeInForce: "gtc" }),
  );
  await until("new", "old");
  const successor = await orders.patchOrderByOrderId({
    orderId: old.id,
    patchOrderRequest: { qty: "3", limitPrice: "8.5" },
  });
  tell("replace", {
    is_successor: successor.replaces === old.id,
    qty: text(successor.qty),
    limit_price: text(successor.limitPrice),
  });
  const replaced = await last("replaced", "old");
  tell("replaced", {
    knows_successor: replaced.order.replacedBy === successor.id,
    status: replaced.order.status,
  });
  await refuse("wash_trade", () =>
    orders.postOrder(order("wash", { symbol: "CHEAP", side: "sell" })),
  );
  let answers = await orders.deleteAllOrders();
  tell("cancel_all", {
    statuses: answers.map((each) => each.status),
    is_new: answers[0].id === successor.id,
  });
  await until("canceled", successor.clientOrderId);

  const close = await positions.deleteOpenPosition({ symbolOrAssetId: "SPY", qty: 2 });
  tell("close_position", { type: close.type, side: close.side, qty: text(close.qty) });
  const fill = await last("fill", close.clientOrderId);
  tell("close_fill", { position_qty: text(fill.positionQty) });

  const plain = { side: "sell", timeInForce: "gtc" };
  const stop = await orders.postOrder(order("stop", { type: "stop", stopPrice: "90", ...plain }));
  tell("stop_order", { type: stop.type, stop_price: text(stop.stopPrice) });
  const trailing = await orders.postOrder(
    order("trailing", { type: "trailing_stop", trailPercent: "5", ...plain }),
  );
  tell("trailing_order", {
    type: trailing.type,
    stop_price: text(trailing.stopPrice),
    hwm: text(trailing.hwm),
  });
  await refuse("close_reserved", () => positions.deleteOpenPosition({ symbolOrAssetId: "SPY" }));
  answers = await orders.deleteAllOrders();
  tell("cancel_stops", { statuses: answers.map((each) => each.status) });
  await until("canceled", "trailing");
}

async function lookBack() {
  const rows = [];
  for (let page, pageToken; !page || page.length === 3; pageToken = page.at(-1)?.id) {
    page = await activities.getAccountActivities({
      activityTypes: ["FILL"], pageSize: 3, direction: "asc", pageToken,
    });
    rows.push(...page);
  }
  const names = [...new Set(rows.map((row) => `${row.side} ${row.symbol}`))].sort();
  const traded = names.map((name) => [
    name,
    total(rows.filter((r) => `${r.side} ${r.symbol}` === name).map((r) => Number(r.qty))),
  ]);
  tell("activities", { total: Object.fromEntries(traded) });
  const [first] = await activities.getAccountActivitiesByActivityType({
    activityType: "FILL", pageSize: 1, direction: "asc",
  });
  tell("activities_of_kind", { is_same: first.id === rows[0].id, symbol: first.symbol });
  const past = await history.getAccountPortfolioHistory({ period: "1M", timeframe: "1D" });
  tell("portfolio_history", {
    timeframe: past.timeframe,
    is_even:
      past.timestamp.length === past.equity.length &&
      past.equity.length === past.profitLoss.length,
  });
  const answers = await positions.deleteAllOpenPositions({ cancelOrders: true });
  tell("close_all", {
    symbols: answers.map((each) => each.symbol),
    statuses: answers.map((each) => Number(each.status)),
  });
  while ((await positions.getAllOpenPositions()).length) await pause(10);
  const account = await accounts.getAccount();
  tell("flat", { is_all_cash: account.cash === account.equity });
}

async function beRefused() {
  for (const [step, request] of [
    ["no_buying_power", order("r1", { qty: "10000" })],
    ["no_shares", order("r2", { side: "sell" })],
    ["duplicate", order("market")],
    ["unknown_symbol", order("r3", { symbol: "NOPE" })],
    ["sub_penny", limit("r4", "80.255")],
    ["not_fractionable", order("r5", { symbol: "RIGID", qty: "0.5" })],
  ]) {
    await refuse(step, () => orders.postOrder(request));
  }
  const nowhere = "00000000-0000-0000-0000-000000000001";
  await refuse("unknown_order", () => orders.getOrderByOrderID({ orderId: nowhere }));
  await refuse("unknown_client_id", () =>
    orders.getOrderByClientOrderId({ clientOrderId: "never-sent" }),
  );
  await refuse("unknown_position", () => positions.getOpenPosition({ symbolOrAssetId: "CHEAP" }));
  await refuse("unknown_asset", () =>
    assets.getV2AssetsSymbolOrAssetId({ symbolOrAssetId: "NOPE" }),
  );
  const stranger = new trading.Configuration({ ...settings, secret: "wrong" });
  await refuse("bad_key", () => new trading.AccountsApi(stranger).getAccount());
}

async function lookAtPrices() {
  const asked = {
    symbols: "SPY,CHEAP,NOPE",
    timeframe: "1Day",
    start: new Date("2024-01-02T00:00:00Z"),
    end: new Date("2024-01-31T12:00:00Z"),
    feed: "sip",
    adjustment: "all",
    limit: 10,
  };
  const bars = {};
  for (let page, pageToken; !page || pageToken; ) {
    page = await stocks.stockBars({ ...asked, pageToken });
    for (const [symbol, rows] of Object.entries(page.bars)) {
      bars[symbol] = [...(bars[symbol] ?? []), ...rows];
    }
    pageToken = page.nextPageToken;
  }
  const counts = Object.entries(bars).map(([symbol, rows]) => [symbol, rows.length]);
  tell("bars", {
    counts: Object.fromEntries(counts.sort()),
    first: minute(bars.SPY[0].t),
    close: text(bars.SPY[0].c),
  });
  await refuse("recent_sip", () => stocks.stockBars({ ...asked, end: new Date("2024-02-01T20:00:00Z") }));
  const both = { symbols: "SPY,CHEAP", feed: "iex" };
  const { quotes } = await stocks.stockLatestQuotes(both);
  tell("quotes", { bid: text(quotes.SPY.bp), ask: text(quotes.SPY.ap) });
  const { trades } = await stocks.stockLatestTrades(both);
  tell("trades", { price: text(trades.SPY.p) });
  const latest = await stocks.stockLatestBars(both);
  tell("latest_bars", { at: minute(latest.bars.CHEAP.t) });
  const snapshots = await stocks.stockSnapshots(both);
  tell("snapshots", {
    daily: minute(snapshots.CHEAP.dailyBar.t),
    before: minute(snapshots.CHEAP.prevDailyBar.t),
  });
  const { corporateActions } = await actions.corporateActions({
    start: new Date("2023-12-01"),
    end: new Date("2024-02-01"),
  });
  const [split] = corporateActions.forwardSplits;
  const [paid] = corporateActions.cashDividends;
  tell("corporate_actions", {
    split: [split.symbol, text(split.newRate), text(split.oldRate)],
    dividend: [paid.symbol, text(paid.rate), day(paid.exDate)],
  });
}

await lookAround();
await latch();
await listen();
await trade();
await change();
await lookBack();
stream.disconnect();
await beRefused();
await lookAtPrices();
process.exit(); // not left to the client, whose timers live on for half a minute
