"""The control plane: one Unix socket through which the commands reach the running daemon.

Here live the server, the client and the form of their messages: one JSON object a line. Nothing is
decided here: a request becomes an event, and the answer is what the core made of it.
"""

from .client import ControlError, NoDaemonError, ask, follow
from .host import Host
from .server import ControlServer

__all__ = ["ControlError", "ControlServer", "Host", "NoDaemonError", "ask", "follow"]
