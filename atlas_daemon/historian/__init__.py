"""The historian: tells from the journal what happened to an order, a symbol, a slot or a run.

Lives here: what an entry is about, which entries make a story, the numbers that were decided on,
and what was not done and why. Sentences of single events are `records.words`. May not live here:
reading of files, asking a daemon, printing.
"""

from .document import document
from .finding import Subject, find
from .history import History
from .steps import Step
from .stories import Explanation, tell
from .undone import Undone

__all__ = ["Explanation", "History", "Step", "Subject", "Undone", "document", "find", "tell"]
