"""Why we stop. What the broker or a rule refuses is an event and does not live here."""


class AtlasError(Exception):
    """Base of everything raised on purpose. Its text is one line meant for a person."""

    exit_code = 1


class UsageError(AtlasError):
    """The command line asks for something that cannot be."""

    exit_code = 2


class RefusedError(AtlasError):
    """A gate said no: nothing was sent."""

    exit_code = 3


class HaltedError(AtlasError):
    """The latch is on; only `atlasd resume` takes it off."""

    exit_code = 4


class AccountBusyError(AtlasError):
    """Another instance holds the account."""

    exit_code = 5


class ConfigError(AtlasError):
    """The configuration, the credentials or the state folder is wrong; names which."""

    exit_code = 78


class BugError(AtlasError):
    """Our own mistake. Never caught below the top: the process ends, the restart recovers."""

    exit_code = 1


class UnlawfulStepError(BugError):
    """An order was asked to take a step that its status does not allow."""

    def __init__(self, order_id: str, status: str, step: str) -> None:
        super().__init__(f"order {order_id} is {status}: {step} is not a lawful step")


class TurnTooLongError(BugError):
    """One event caused more entries than a turn may hold."""
