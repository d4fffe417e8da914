"""The journal: what happened and what was decided, in order, for ever.

Here live the file format, the codec and the hash chain. Nothing here knows what an event means,
and nothing else writes to the file.
"""

from .errors import JournalError, JournalFullError
from .journal import Journal, StoredEntry, Verdict

__all__ = ["Journal", "JournalError", "JournalFullError", "StoredEntry", "Verdict"]
