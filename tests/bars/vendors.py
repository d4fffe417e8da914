"""Vendors of bars for tests: one in memory, and one that speaks HTTP as Alpaca's data API does."""

import json
import threading
from dataclasses import replace
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from atlas_daemon.bars.actions import Action
from atlas_daemon.bars.frame import day_number
from atlas_daemon.bars.raw import rows_of
from tests.bars.builders import sessions


class MadeUpVendor:
    """Sells what is in `series` (symbol -> day -> close) and `told`; notes what it was asked."""

    label = "made-up bars"

    def __init__(self, identity="made up"):
        self.identity = identity
        self.series = {}
        self.told = []
        self.asked = []
        self.fails = None

    def gives(self, symbol, closes, last=date(2024, 1, 31)):
        days = sessions(len(closes), last)
        self.series[symbol] = dict(zip(days, closes, strict=True))
        return days

    def bars(self, symbols, first, last):
        self.asked.append(("bars", tuple(symbols), first, last))
        if self.fails is not None:
            raise self.fails
        rows = []
        for code, symbol in enumerate(symbols):
            for day, close in self.series.get(symbol, {}).items():
                figures = close if isinstance(close, tuple) else (close,) * 4 + (1000.0,)
                if first <= day <= last:
                    rows.append((code, day_number(day), *figures))
        return rows_of(tuple(symbols), rows)

    def actions(self, symbols, first, last):
        self.asked.append(("actions", tuple(symbols), first, last))
        return [
            one
            for one in self.told
            if {one.symbol, one.other} & set(symbols) and first <= one.processed <= last
        ]

    def close(self):
        pass

    def took(self):
        """What was asked for since the last time, without the actions: symbols and first day."""
        asked = [(symbols, first) for what, symbols, first, _ in self.asked if what == "bars"]
        self.asked.clear()
        return asked


def a_split(symbol, day, ratio, **changes):
    kind = "forward_split" if ratio > 1 else "reverse_split"
    return replace(Action(symbol, kind, day, day, ratio=ratio), **changes)


def a_dividend(symbol, day, cash, **changes):
    return replace(Action(symbol, "cash_dividend", day, day, cash=cash), **changes)


class DataService:
    """A stand-in for the data API: pages of bars and actions, or fixed answers; notes questions."""

    def __init__(self):
        self.asked = []
        self.answers = []
        """Fixed answers, each given once, the last one for ever; empty = what is in `series`."""
        self.page_size = 10_000
        self.series = {}
        self.actions = {}
        self.hold = threading.Event()
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                url = urlsplit(self.path)
                query = {key: values[0] for key, values in parse_qs(url.query).items()}
                service.asked.append((url.path, query, dict(self.headers)))
                status, body, *headers = service.reply(url.path, query)
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.handle_error = lambda *_: None  # a client that gave up waiting
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,))
        self.thread.start()

    def reply(self, path, query):
        if self.answers:
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        at = int(query.get("page_token", 0))
        after = at + self.page_size
        if path == "/v1/corporate-actions":
            rows = [(group, one) for group, many in self.actions.items() for one in many]
            key = "corporate_actions"
        else:
            wanted = query["symbols"].split(",")
            span = (query["start"], query["end"])
            rows = [(s, bar) for s in wanted for bar in self.series.get(s, [])]
            rows = [(s, bar) for s, bar in rows if span[0] <= bar["t"] <= span[1]]
            key = "bars"
        page = {}
        for name, one in rows[at:after]:
            page.setdefault(name, []).append(one)
        token = str(after) if after < len(rows) else None
        return 200, json.dumps({key: page, "next_page_token": token}).encode()

    def close(self):
        self.hold.set()
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
