"""The account's keys: found in the environment, in .env or in systemd's credentials, or refused.

Lives here: where keys are looked for, and that they fit the mode. May not live here: anything that
writes, prints or keeps them; an error names variables and files, never their contents.
"""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import AccountMode

from .definitions import KEYS
from .identity import check_key
from .kinds import UnfitError
from .settings import Settings
from .sources import read_dotenv

LOCAL_KEY_ID = "PKLOCAL00000000000000"
LOCAL_SECRET = "local-secret"  # noqa: S105 - the local broker's, known to everybody
_LONGEST = 200
FOLDER_NAME = "credentials"
_TOKEN_FILE = "ALPACA_DASHBOARD_TOKEN"  # noqa: S105 - a name
"""With the prefix that the service unit gives every file of the folder; also without it."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """A key and its secret. Its repr shows neither."""

    key_id: str = field(repr=False)
    secret: str = field(repr=False)
    source: str
    """Where both were found."""
    dashboard_token: str = field(default="", repr=False)
    """What the page asks for; empty where it asks for nothing."""


def load_credentials(settings: Settings, environ: Mapping[str, str]) -> Credentials:
    """Return the keys of the settings' account, and the page's token.

    Raises ConfigError as `find_credentials` and `find_token`.
    """
    found = find_credentials(
        settings.account.name,
        settings.mode,
        settings.dotenv_path,
        environ,
        settings.origin("account.mode"),
    )
    return replace(found, dashboard_token=find_token(settings, environ))


def find_token(settings: Settings, environ: Mapping[str, str]) -> str:
    """Return the token of the page, empty where there is none.

    `dashboard.token`, else the file `dashboard_token` where the keys' files are. Raises
    ConfigError for one that is too short to be one.
    """
    if settings.dashboard.token:
        return settings.dashboard.token
    for source, values in _folders((_TOKEN_FILE,), settings.dotenv_path, environ):
        if (text := values.get(_TOKEN_FILE)) is not None:
            try:
                return KEYS["dashboard.token"].kind.from_text(text)  # type: ignore[no-any-return]
            except UnfitError as error:
                allowed = KEYS["dashboard.token"].kind.allowed
                raise ConfigError(
                    f"dashboard.token (dashboard_token in {source}): must be {allowed}"
                ) from error
    return ""


def variables(name: str) -> tuple[str, str]:
    """Return the names of an account's variables: ALPACA_LARGE_KEY and ALPACA_LARGE_SECRET."""
    return f"ALPACA_{name.upper()}_KEY", f"ALPACA_{name.upper()}_SECRET"


def find_credentials(
    name: str,
    mode: AccountMode,
    dotenv_path: Path,
    environ: Mapping[str, str],
    mode_origin: str = "as given",
) -> Credentials:
    """Return the keys of account `name` from the first source that has any of the two.

    Sources: environment, .env, the files of $CREDENTIALS_DIRECTORY (named as the variables, in
    capitals or small letters), those of the folder `credentials` beside .env (there without
    ALPACA_ too, as the service unit takes them): what systemd hands to the daemon, for a command
    that its owner types. Both must come from one source: a key of one and a secret of
    another are likely to be of different ages. In local mode without any, the local broker's own.
    Raises ConfigError where they are missing, halved, unreadable or of another world.
    """
    key_name, secret_name = variables(name)
    for source, values in _sources((key_name, secret_name), dotenv_path, environ):
        if not values:
            continue
        for wanted in (key_name, secret_name):
            if wanted not in values:
                other = secret_name if wanted == key_name else key_name
                raise ConfigError(f"{wanted} is missing: {source} has only {other}")
            _check_shape(values[wanted], wanted, source)
        check_key(mode, values[key_name], f"{key_name} ({source})", mode_origin)
        return Credentials(values[key_name], values[secret_name], source)
    if mode is AccountMode.LOCAL:
        return Credentials(LOCAL_KEY_ID, LOCAL_SECRET, "the local broker's own")
    raise ConfigError(
        f"no keys for account {name}: set {key_name} and {secret_name} in the environment, in "
        f"{dotenv_path}, or as systemd credentials {key_name.lower()} and {secret_name.lower()}"
    )


def _sources(
    names: tuple[str, str], dotenv_path: Path, environ: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield each source with those of `names` that it has; read only when it is asked for."""
    yield "environment", {name: environ[name] for name in names if environ.get(name)}
    lines = {line.name: line.text for line in read_dotenv(dotenv_path)}
    yield str(dotenv_path), {name: lines[name] for name in names if lines.get(name)}
    yield from _folders(names, dotenv_path, environ)


def _folders(
    names: tuple[str, ...], dotenv_path: Path, environ: Mapping[str, str]
) -> Iterator[tuple[str, dict[str, str]]]:
    folder = environ.get("CREDENTIALS_DIRECTORY")
    if folder:
        yield folder, _from_folder(Path(folder), names)
    beside = dotenv_path.parent / FOLDER_NAME
    if os.access(beside, os.R_OK | os.X_OK):  # root's, where the daemon is somebody else
        yield str(beside), _from_folder(beside, names)


def _from_folder(folder: Path, names: tuple[str, ...]) -> dict[str, str]:
    values = {}
    for name in names:
        short = name.lower().removeprefix("alpaca_")
        for path in (folder / name.lower(), folder / name, folder / short):
            try:
                text = path.read_text(encoding="ascii").strip()
            except FileNotFoundError:
                continue
            except (OSError, UnicodeDecodeError) as error:
                raise ConfigError(f"{path}: cannot be read as a line of plain text") from error
            if text:
                values[name] = text
                break
    return values


def _check_shape(text: str, name: str, source: str) -> None:
    # It goes into a header: nothing that could end one, and no placeholder's blanks.
    if len(text) > _LONGEST or not text.isascii() or not text.isprintable() or " " in text:
        raise ConfigError(
            f"{name} ({source}): must be up to {_LONGEST} plain characters without blanks"
        )
