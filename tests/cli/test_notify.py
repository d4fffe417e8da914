"""`atlasd notify` over real sockets: what arrives, what is said of what does not."""

import http.server
import json
import threading

import pytest

from atlas_daemon.journal import Journal


class Hook:
    """A webhook in a thread of its own; `statuses` are its answers by path."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, bytes]] = []
        self.statuses: dict[str, int] = {}
        hook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def _answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                hook.seen.append((self.command, self.path, self.rfile.read(length)))
                self.send_response(hook.statuses.get(self.path, 200))
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = _answer  # noqa: N815

            def log_message(self, *words: object) -> None:
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"


@pytest.fixture
def hook():
    hook = Hook()
    thread = threading.Thread(target=hook.server.serve_forever, args=(0.01,))
    thread.start()
    yield hook
    hook.server.shutdown()
    thread.join()
    hook.server.server_close()


def tell(monkeypatch, **keys: str) -> None:
    for name, value in keys.items():
        monkeypatch.setenv(f"ATLAS_NOTIFY__{name.upper()}", value)


def test_one_of_each_severity_is_sent_and_the_health_check_is_pinged(shell, hook, monkeypatch):
    tell(monkeypatch, webhook_url=f"{hook.url}/hook", healthcheck_url=f"{hook.url}/ping/1")
    done = shell("notify", "test")
    assert done.exit_code == 0, done.output
    assert done.output.splitlines() == [
        "[LOCAL] LARGE webhook: info delivered",
        "[LOCAL] LARGE webhook: warning delivered",
        "[LOCAL] LARGE webhook: critical delivered",
        "[LOCAL] LARGE healthcheck: ping delivered",
    ]
    assert [(method, path) for method, path, _ in hook.seen] == [
        *[("POST", "/hook")] * 3,
        ("GET", "/ping/1"),
    ]
    body = json.loads(hook.seen[2][2])
    assert (body["level"], body["account"], body["head"]) == (
        "critical",
        "[LOCAL] LARGE",
        "unknown",
    )


def test_what_fails_is_named_without_its_address_and_exit_1_says_so(shell, hook, monkeypatch):
    hook.statuses["/secret-token"] = 404
    tell(monkeypatch, webhook_url=f"{hook.url}/secret-token", healthcheck_url=f"{hook.url}/ok")
    done = shell("notify", "test", "--json")
    assert done.exit_code == 1
    sent = json.loads(done.stdout)["sent"]
    assert [each["why"] for each in sent] == ["HTTP 404"] * 3 + [""]
    assert "secret-token" not in done.output


def test_where_nobody_is_to_be_told_that_is_what_is_said(shell):
    done = shell("notify", "test")
    assert done.exit_code == 1
    assert "notify.webhook_url" in done.output


@pytest.mark.parametrize(("status", "is_good", "count"), [(200, True, 3), (404, False, 0)])
def test_what_became_of_a_test_is_on_the_accounts_record(
    shell, hook, monkeypatch, status, is_good, count
):
    hook.statuses["/hook"] = status
    tell(monkeypatch, webhook_url=f"{hook.url}/hook")
    settings = shell.settings
    account = {"account_mode": settings.mode, "account_name": settings.account.name}
    settings.state_dir.mkdir()
    Journal.open(settings.journal_path, **account).close()
    done = shell("notify", "test")
    assert done.exit_code == (0 if is_good else 1)
    with Journal.open_readonly(settings.journal_path) as journal:
        (entry,) = journal.read()
    word = entry.event
    assert (word.kind, word.name, word.is_good) == ("alert", "test", is_good)
    assert word.text == f"{count} of 3 test messages delivered (webhook)"


def test_a_test_leaves_no_journal_where_there_is_none(shell, hook, monkeypatch):
    tell(monkeypatch, webhook_url=f"{hook.url}/hook")
    assert shell("notify", "test").exit_code == 0
    assert not shell.settings.journal_path.exists()
