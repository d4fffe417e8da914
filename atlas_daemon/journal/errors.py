"""What can be wrong with a journal: we cannot read it, or we cannot write it now."""

from atlas_daemon.core.errors import AtlasError, ConfigError


class JournalError(ConfigError):
    """The file is unreadable, foreign, newer, altered or another account's; it stays as it is."""


class JournalFullError(AtlasError):
    """The disk is full, read-only or failing: nothing was written, and a later try may succeed."""
