"""The records people read: day files of lines and of trades, told from the journal's entries.

Here live wording, formats, rotation and redaction. Nothing here decides anything, is asked for
anything by the core, or is read back: the journal is the truth.
"""

from .execution_logger import ExecutionLogger
from .log_keeper import LogKeeper
from .recorder import Recorder

__all__ = ["ExecutionLogger", "LogKeeper", "Recorder"]
