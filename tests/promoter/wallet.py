"""A live account in a folder, its settings, and a certificate that counts."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from atlas_daemon.config import Settings, load_settings
from atlas_daemon.promoter.certificate import (
    Bearer,
    bearer_of,
    certificate_path,
    document_of,
    sealed,
    write_certificate,
)

NOW = datetime(2027, 1, 15, 15, 0, tzinfo=UTC)
SECRET = "live-secret-never-shown"
CODE = "c0de" * 16
NUMBER = "847563829"


def settings_in(folder: Path, mode: str = "live", **more: object) -> Settings:
    name = mode.upper()
    given = {
        "account.mode": mode,
        "account.name": name,
        "account.number": NUMBER if mode == "live" else "",
        "paths.state_dir": str(folder / mode),
        "paths.log_dir": str(folder / f"{mode}-logs"),
        "paths.runtime_dir": str(folder / mode[:2]),
        "dashboard.port": 0,
    }
    return load_settings(
        None, environ={"HOME": str(folder)}, cwd=folder, overrides={**given, **more}
    )


def bearer_in(settings: Settings, secret: str = SECRET, code: str = CODE) -> Bearer:
    return bearer_of(settings, secret, code)


def certified(settings: Settings, at: datetime = NOW, days: int = 400, **more: str) -> Path:
    """Write a certificate that counts for the account of `settings`."""
    bearer = bearer_in(settings, **more)
    document = document_of(bearer, at, timedelta(days=days), {"evidence": [], "version": "1"})
    path = certificate_path(settings)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_certificate(path, sealed(document, bearer))
    return path
