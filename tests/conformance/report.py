"""The report: what each client was answered by each endpoint, as a table for docs/conformance.md.

It is made of the walks alone, so that the committed paper can be compared with what they saw.
"""

from collections.abc import Iterable

from tests.conformance import deviations
from tests.conformance.documents import Documents
from tests.conformance.install import ROOT
from tests.conformance.story import NO_SUCH_CALL, OWN_WAYS, STORY, expected
from tests.conformance.tap import Talk
from tests.conformance.walks import CLIENTS, PLAIN, Walk

PAPER = ROOT / "docs" / "conformance.md"

SERVED = (
    "GET /v2/account",
    "GET /v2/account/configurations",
    "PATCH /v2/account/configurations",
    "GET /v2/account/activities",
    "GET /v2/account/activities/{activity_type}",
    "GET /v2/account/portfolio/history",
    "POST /v2/orders",
    "GET /v2/orders",
    "DELETE /v2/orders",
    "GET /v2/orders:by_client_order_id",
    "GET /v2/orders/{order_id}",
    "PATCH /v2/orders/{order_id}",
    "DELETE /v2/orders/{order_id}",
    "GET /v2/positions",
    "DELETE /v2/positions",
    "GET /v2/positions/{symbol_or_asset_id}",
    "DELETE /v2/positions/{symbol_or_asset_id}",
    "GET /v2/assets",
    "GET /v2/assets/{symbol_or_asset_id}",
    "GET /v2/calendar",
    "GET /v2/clock",
    "GET /v2/stocks/bars",
    "GET /v2/stocks/bars/latest",
    "GET /v2/stocks/quotes",
    "GET /v2/stocks/quotes/latest",
    "GET /v2/stocks/trades",
    "GET /v2/stocks/trades/latest",
    "GET /v2/stocks/snapshots",
    "GET /v2/stocks/{symbol}/bars",
    "GET /v2/stocks/{symbol}/bars/latest",
    "GET /v2/stocks/{symbol}/quotes",
    "GET /v2/stocks/{symbol}/quotes/latest",
    "GET /v2/stocks/{symbol}/trades",
    "GET /v2/stocks/{symbol}/trades/latest",
    "GET /v2/stocks/{symbol}/snapshot",
    "GET /v1/corporate-actions",
    "GET /v2/events/trades",
    "GET /v2beta1/events/activities",
)
"""The endpoints that a client finds here, in the documents' own words."""

STREAM = "trade_updates over /stream"

HEAD = """\
# The local broker and other people's clients

Written by `make conformance`; a test compares it with what the walks of its own run saw.

Three clients that Alpaca has published walk the local broker over TCP, each by the same story of
{steps} steps, and say what they parsed; a fourth walk asks every endpoint by plain requests.
Each answer is held against Alpaca's OpenAPI documents (alpaca-mcp-server 2.4.0): types, required
keys, words, and no key that they do not know.
The other way round, each request of our own client is compared with the bytes that alpaca-py sends
for the same call (`tests/conformance/test_same_requests.py` lists what may differ, and why).

| walker | version |
|---|---|
| alpaca-py | the one that the project itself runs on |
| @alpacahq/alpaca-trade-api | 4.0.2, on Node |
| alpaca-trade-api | 3.2.0, retired, in an environment of its own |
| plain requests | every parameter and every refusal, with aiohttp |

## Endpoint by endpoint

The statuses that each walker was answered with, all of them as documented but for the deviations
below. A dash: this walker has no such call, or does not need it.
"""

STEPS = """
## Step by step

What each client parsed is compared with one table of values, the same for all three
(`tests/conformance/story.py`): a star where a client has a way of its own, a dash where it has no
such call.
"""

DEVIATIONS = """
## Deviations from the documents

Each is listed in `tests/conformance/deviations.py`. One that is not listed fails the tests, and so
does a listed one that no longer occurs.
"""


def operation_name(documents: Documents, talk: Talk) -> str:
    """Return the endpoint in the documents' words, or as it was asked where they have none."""
    operation = documents.operation(talk.method, talk.path)
    return operation.name if operation else f"{talk.method} {talk.path}"


def all_deviations(walks: dict[str, Walk], documents: Documents) -> list[str]:
    """Return every deviation of every answer from the documents, of all who walked."""
    talks = (talk for walk in walks.values() for talk in walk.talks if not talk.is_stream)
    return [line for talk in talks for line in documents.deviations(talk)]


def paper(walks: dict[str, Walk], documents: Documents, lines: Iterable[str]) -> str:
    """Return the whole report; `lines` are all deviations."""
    parts = [
        HEAD.format(steps=len(STORY)),
        *_table(["endpoint", *CLIENTS, PLAIN], _endpoints(walks, documents)),
        STEPS,
        *_table(["step", *CLIENTS], _steps(walks)),
        DEVIATIONS,
        *_table(["where", "why"], _deviations(set(lines))),
    ]
    return "\n".join(parts) + "\n"


def _endpoints(walks: dict[str, Walk], documents: Documents) -> Iterable[list[str]]:
    seen: dict[tuple[str, str], set[int]] = {}
    for client, walk in walks.items():
        for talk in walk.talks:
            name = STREAM if talk.is_stream else operation_name(documents, talk)
            seen.setdefault((name, client), set()).add(talk.status)
    for name in (*SERVED, STREAM):
        cells = (sorted(seen.get((name, client), ())) for client in (*CLIENTS, PLAIN))
        yield [f"`{name}`", *(" ".join(map(str, statuses)) or "-" for statuses in cells)]


def _steps(walks: dict[str, Walk]) -> Iterable[list[str]]:
    for step in STORY:
        cells = []
        for client in CLIENTS:
            told = [each for each in walks[client].steps if each["step"] == step]
            word = "ok" if told == expected(client, step) else "WRONG"
            word = "-" if (client, step) in NO_SUCH_CALL else word
            cells.append(word + ("*" if (client, step) in OWN_WAYS else ""))
        yield [step.replace("_", " "), *cells]


def _deviations(lines: set[str]) -> Iterable[list[str]]:
    for listed in deviations.LISTED:
        found = sorted(line for line in lines if listed.pattern.fullmatch(line))
        shown = "<br>".join(f"`{line}`" for line in found[:3])
        more = f"<br>and {len(found) - 3} like these" if len(found) > 3 else ""
        yield [shown + more, listed.reason]


def _table(head: list[str], rows: Iterable[list[str]]) -> Iterable[str]:
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', '&#124;') for cell in row)} |"
