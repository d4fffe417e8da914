"""Schemathesis over Alpaca's published documents: nothing it thinks of is answered with a 5xx.

For every change the deterministic part, over what this broker serves; `API_EXAMPLES=200` adds that
many drawn requests for each operation, of all operations, and takes minutes.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from atlas_daemon.paper.desk import LOCAL_KEY, LOCAL_SECRET
from tests.conformance import install
from tests.conformance.conftest import not_here

pytestmark = pytest.mark.e2e

NEEDS = install.NEEDS / "schemathesis.txt"
EXAMPLES = int(os.environ.get("API_EXAMPLES", "0"))
SERVED = {
    "trading-api": r"^/v2/(orders|positions|account|assets|calendar|clock)",
    "market-data-api": r"^/v2/stocks/([a-z]+/latest|snapshots|\{symbol\}/bars)|/corporate-actions",
}
ENDLESS = "events"
"""Streams of events are answered for as long as the client stays."""


@pytest.fixture(scope="module")
def fuzzer() -> Path:
    """The Python that has schemathesis."""
    try:
        folder = install.made("schemathesis", [NEEDS], lambda to: install._environment(to, NEEDS))
        install.documents()
    except install.NotHereError as error:
        not_here(f"schemathesis: {error}")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def broker(fuzzer: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real broker, which may say nothing on standard error."""
    folder = tmp_path_factory.mktemp("broker")
    words = ["paper", "--port", "0", "--json", "--rate-limit", "0", "--at", "2024-02-01T11:00"]
    words += ["--holdings", "AAPL=10,MSFT=5", "--state", str(folder / "paper.state")]
    child = subprocess.Popen(
        [sys.executable, "-m", "atlas_daemon", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        assert child.stdout is not None
        yield json.loads(child.stdout.readline())["url"]
    finally:
        child.terminate()
        _, said = child.communicate(timeout=30)
    assert said == b""


@pytest.mark.timeout(60 + 20 * EXAMPLES)
@pytest.mark.parametrize("name", SERVED)
def test_nothing_that_the_documents_allow_or_forbid_is_answered_with_a_5xx(
    fuzzer, broker, name, tmp_path
) -> None:
    chosen = ["--include-path-regex", SERVED[name], "--phases", "coverage"]
    if EXAMPLES:
        chosen = ["--phases", "examples,coverage,fuzzing", "--max-examples", str(EXAMPLES)]
    done = subprocess.run(
        [
            *(str(fuzzer), "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
            *("run", str(install.documents() / f"{name}.json"), "--url", broker, *chosen),
            *("--exclude-path-regex", ENDLESS, "--checks", "not_a_server_error"),
            *("-H", f"APCA-API-KEY-ID: {LOCAL_KEY}"),
            *("-H", f"APCA-API-SECRET-KEY: {LOCAL_SECRET}"),
            *("--seed", "1", "--generation-deterministic"),
            *("--request-timeout", "10", "--continue-on-failure", "--no-color"),
            *("--warnings", "off"),
        ],
        cwd=tmp_path,
        env=install.environ(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[-8000:]
    assert "generated" in done.stdout
