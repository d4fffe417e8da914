"""The auditor: compares the trades files with the journal, and hands its entries out with proof.

May not live here: the chain itself, which is the journal's to verify; printing.
"""

from .export import COLUMNS, ExportedEntry, Range, exported, lines_of
from .trades import Difference, TradesVerdict, compare_trades

__all__ = [
    "COLUMNS",
    "Difference",
    "ExportedEntry",
    "Range",
    "TradesVerdict",
    "compare_trades",
    "exported",
    "lines_of",
]
