"""The read-only page: what is true now, for a browser, a program and a monitor.

Here live the web server, the page and its style sheet. Nothing here can change anything: there is
no method but GET, and no state but the daemon's.
"""

from .server import Dashboard

__all__ = ["Dashboard"]
