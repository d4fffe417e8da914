"""The daemon's own folders on disk."""

import os

from atlas_daemon.core.errors import ConfigError


def make_folder(folder: os.PathLike[str]) -> None:
    """Make a folder and its parents for this user alone. Raises ConfigError naming it."""
    try:
        os.makedirs(folder, mode=0o700, exist_ok=True)  # noqa: PTH103 - the mode of parents too
    except OSError as error:
        raise ConfigError(f"{folder}: cannot be made: {error.strerror}") from error
