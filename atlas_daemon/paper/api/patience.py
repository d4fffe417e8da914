"""How the server bears with its clients: silence is limited, and nonsense is one line of the log.

aiohttp logs a malformed request with a traceback, as if it were our own mistake. Our own mistakes
keep theirs.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from typing import Any

from aiohttp import http_exceptions, web

LOG = logging.getLogger("atlas_daemon.paper")
LINGERING_S = 2.0
"""How long a body that nobody wanted may still arrive before the connection is closed."""
_SHOWN_MAX = 160


class Log(logging.LoggerAdapter[logging.Logger]):
    """aiohttp's log, in which what clients did wrong is a line at level INFO."""

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        """Leave everything else as it is."""
        return msg, kwargs

    def exception(self, msg: object, *args: object, exc_info: Any = True, **kwargs: Any) -> None:
        """A failure in handling a request, with its traceback where it is ours."""
        if isinstance(exc_info, (http_exceptions.HttpProcessingError, web.RequestPayloadError)):
            words = " ".join(str(exc_info).split())[:_SHOWN_MAX]
            self.logger.info("%s: malformed request: %s", args[0] if args else "", words)
            return
        super().exception(msg, *args, exc_info=exc_info, **kwargs)


def patient_runner(app: web.Application, patience_s: float) -> web.AppRunner:
    """A runner whose connections are closed when they have been silent for `patience_s`."""
    return web.AppRunner(
        app,
        access_log=None,
        shutdown_timeout=1.0,
        keepalive_timeout=patience_s,
        lingering_time=min(patience_s, LINGERING_S),
        logger=Log(LOG),
    )
