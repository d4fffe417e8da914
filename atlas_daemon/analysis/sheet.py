"""The report's orders as CSV: one row an order, and one for each part of a decision without one.

docs/report.md tells what each column means. Figures are digits without signs of currency; what is
not known is empty. Moments are RFC 3339 in UTC.
"""

import csv
import io

from atlas_daemon.records.lines import cell

from .document import Document
from .row_told import PARTS

COLUMNS = (
    *("run", "order", "symbol", "side", "status"),
    *("wanted_qty", "qty", "filled_qty", "carried_qty", "rest_qty", "unpriced_qty", "rest_why"),
    *("decided_at", "decision_price", "arrival_price", "average_price"),
    *("end_price", "end_at", "end_source"),
    *("notional", *PARTS, "total"),
    *(f"{name}_bps" for name in (*PARTS, "total")),
    *("slippage_bps", "raw_gap"),
    *("sends", "sent_at", "first_fill_at", "filled_at", "done_at"),
    *("seconds_to_first_fill", "seconds_to_fill", "notes"),
    "account",
)


def sheet_of(document: Document) -> str:
    """Return the rows of all runs of the report, with a header."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for run in document["runs"]:
        writer.writerows(_cells(row, document["account"]) for row in run["rows"])
    return out.getvalue()


def _cells(row: Document, account: str) -> list[str]:
    bps = row["bps"] or {}
    told = {
        **row,
        **{f"{name}_bps": bps.get(name) for name in (*PARTS, "total")},
        "notes": "; ".join(row["notes"]),
        "account": account,
    }
    return ["" if told[name] is None else cell(str(told[name])) for name in COLUMNS]
