"""structlog, imported without rich, which it takes for tracebacks wherever it finds it.

Nobody here prints those, and rich with pygments is 3 MB of the daemon's memory. Only the records
use structlog in this process. Nothing else lives here.
"""

import sys

if "rich" not in sys.modules:
    sys.modules["rich"] = None  # type: ignore[assignment]  # how Python spells: not installed
    try:
        import structlog
    finally:
        del sys.modules["rich"]
else:
    import structlog

__all__ = ["structlog"]
