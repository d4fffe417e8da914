"""A stand for the page: a plain web server whose view a test holds in its hand.

It answers as the daemon's server does, with its headers, so that the page's style, script and
content policy are the true ones; what happens when it changes or goes away is the test's to say.
"""

import json
import queue
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from atlas_daemon.dashboard import server as true_server
from atlas_daemon.dashboard.page import SECTIONS, page_of, section_of

FOLDER = Path(true_server.__file__).parent
KINDS = {".css": "text/css", ".js": "text/javascript"}


class Stand(ThreadingHTTPServer):
    """`view` is what is shown from now on; `changed` tells every listener."""

    daemon_threads = True

    def __init__(self, view: dict[str, Any], port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Asked)
        self.view = view
        self.listeners: list[queue.SimpleQueue[str | None]] = []
        self.asked: list[str] = []
        self.edition = "one"
        """Which page this is."""
        self.is_full = False
        """True while it lets nobody listen."""
        self.is_ill = False
        """True while it answers for no section."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"

    @property
    def seq(self) -> int:
        """The journal's place in what is shown."""
        return self.view["daemon"]["journal"]["seq"]

    def changed(self, *sections: str) -> None:
        data = json.dumps({"seq": self.seq, "sections": sections})
        for listener in self.listeners:
            listener.put(f"event: changed\ndata: {data}\n\n")

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away in the middle of an answer is nothing to speak of."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)

    def hang_up(self) -> None:
        """Let every listener go."""
        for listener in self.listeners:
            listener.put(None)
        self.listeners.clear()


class _Asked(BaseHTTPRequestHandler):
    server: Stand

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        if path == "/":
            self._answer("text/html; charset=utf-8", page_of(self.server.view))
        elif path.startswith("/part/") and self.server.is_ill:
            self.send_error(500)
        elif path.startswith("/part/") and path[6:] in SECTIONS:
            self._answer("text/html; charset=utf-8", section_of(path[6:], self.server.view))
        elif path == "/api/events":
            self._stream()
        elif (file := FOLDER / path[1:]).suffix in KINDS:
            self._answer(KINDS[file.suffix], file.read_text("utf-8"))
        else:
            self.send_error(404)

    def _answer(self, kind: str, text: str) -> None:
        body = text.encode("utf-8")
        self.send_response(200)
        for name, value in true_server.HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _stream(self) -> None:
        if self.server.is_full:
            return self.send_error(503)
        mine: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        greeting = json.dumps({"seq": self.server.seq, "page": self.server.edition})
        self.wfile.write(f"retry: 200\nevent: status\ndata: {greeting}\n\n".encode())
        self.wfile.flush()
        self.server.listeners.append(mine)
        try:
            while (said := mine.get()) is not None:
                self.wfile.write(said.encode())
                self.wfile.flush()
        except OSError:
            self.server.listeners.remove(mine)
        return None

    def log_message(self, format: str, *args: Any) -> None:
        pass


@contextmanager
def a_stand(view: dict[str, Any], port: int = 0) -> Iterator[Stand]:
    """A stand that is gone at the block's end."""
    stand = Stand(view, port)
    thread = threading.Thread(target=stand.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield stand
    finally:
        stand.hang_up()
        stand.shutdown()
        stand.server_close()
        thread.join()
