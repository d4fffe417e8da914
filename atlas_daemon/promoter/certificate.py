"""The certificate: one sealed file that says what was proven, of what, for which account.

Lives here: its text, its seal, its place on the disk, and every reason why it does not count. May
not live here: what has to be proven before one is issued.

The seal is an HMAC-SHA256 under a key made of the account's API secret. So it cannot be written
or edited without the keys of the account, and it ends with them: new keys need a new certificate,
not new evidence. The file's bytes are what is sealed: one that was edited anywhere is refused.
"""

import contextlib
import errno
import hashlib
import hmac
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from atlas_daemon.config import Settings
from atlas_daemon.config.digests import SECTIONS, code_digest, sections_digest
from atlas_daemon.core.errors import AtlasError
from atlas_daemon.core.events import CertificateReported

FILE_NAME = "certificate.json"
FORMAT = 1
MODE = "live"
"""The one mode in which a certificate counts; it stands in the file for whoever reads it."""
SIZE_MAX = 256 * 1024
CLOCK_SLACK = timedelta(seconds=60)
"""Clocks of one machine are put right by so much; a certificate from a later time is of another."""
RENEW = "`atlasd promote` writes a new one"
CLOCK = "clock set back"

_SEAL = "seal"
_KEY_DOMAIN = b"atlas_daemon certificate 1"
"""The secret signs nothing else with the key that is made of it."""
_NAME = re.compile(r"[A-Za-z0-9_]{1,40}")
_OPENING = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


class UnfitError(AtlasError):
    """A certificate does not count; the text is `gate: why`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bearer:
    """Whom a certificate must be of: this account, its keys, this code and these sections."""

    name: str
    number: str
    code: str
    sections: str
    """Digest of all bound sections."""
    each_section: Mapping[str, str]
    """Digest of each of them, so that the one that changed can be named."""
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Certificate:
    """What a sealed certificate says."""

    certificate_id: str
    issued_at: datetime
    expires_at: datetime
    account: tuple[str, str]
    """Name and number."""
    code: str
    sections: str
    each_section: Mapping[str, str]


def certificate_path(settings: Settings) -> Path:
    """Return where the account's certificate lies."""
    return settings.state_dir / FILE_NAME


def bearer_of(settings: Settings, secret: str, code: str | None = None) -> Bearer:
    """Return whom a certificate must be of; `code` is that of this process where None."""
    return Bearer(
        name=settings.account.name,
        number=settings.account.number,
        code=code_digest() if code is None else code,
        sections=sections_digest(settings),
        each_section={section: settings.digest(section) for section in SECTIONS},
        secret=secret,
    )


def read_certificate(
    path: Path, settings: Settings, secret: str, now: datetime, code: str | None = None
) -> CertificateReported:
    """Return what is to be told of the certificate at `path`; nothing is raised for what it is."""
    try:
        certificate = opened(path, bearer_of(settings, secret, code))
    except UnfitError as error:
        return CertificateReported("", None, str(error))
    return judged(certificate, bearer_of(settings, secret, code), now)


def judged(certificate: Certificate, bearer: Bearer, now: datetime) -> CertificateReported:
    """Return what is to be told of a certificate whose seal holds."""
    return CertificateReported(
        certificate.certificate_id, certificate.expires_at, _problem(certificate, bearer, now)
    )


def _problem(certificate: Certificate, bearer: Bearer, now: datetime) -> str:
    if certificate.sections != bearer.sections:
        names = [
            section
            for section, digest in bearer.each_section.items()
            if certificate.each_section.get(section) != digest
        ]
        changed = ", ".join(f"[{name}]" for name in names) or "the bound sections"
        return f"other sections: {changed} changed since the proof; all is to be proven anew"
    if certificate.code != bearer.code:
        return (
            f"other code: proven of {certificate.code[:12]}, this is {bearer.code[:12]}; doctor, "
            f"all drills and the rehearsals on paper renew it, then {RENEW}"
        )
    if now < certificate.issued_at - CLOCK_SLACK:
        return (
            f"{CLOCK}: it says {_shown(now)}, before the certificate was issued "
            f"({_shown(certificate.issued_at)})"
        )
    if now >= certificate.expires_at:
        return f"expired: on {_shown(certificate.expires_at)}; {RENEW}"
    return ""


# The file.


def opened(path: Path, bearer: Bearer) -> Certificate:
    """Return what a file says whose seal is of the bearer's keys. Raises UnfitError."""
    return unsealed(_bytes_of(path), bearer, path)


def unsealed(raw: bytes, bearer: Bearer, path: Path) -> Certificate:
    """Return what `raw` says. Raises UnfitError where it is not, byte for byte, what was sealed."""
    damaged = UnfitError(f"damaged: {path} is no whole certificate: cut short or edited; {RENEW}")
    try:
        document = json.loads(raw)
    except (ValueError, RecursionError):
        raise damaged from None
    if not isinstance(document, dict) or type(written := document.get("format")) is not int:
        raise damaged
    if written > FORMAT:
        raise UnfitError(f"newer version: {path} was written by a later one than this; {RENEW}")
    whose = document.get("account")
    if not isinstance(whose, dict):
        raise damaged
    if (whose.get("name"), whose.get("number")) != (bearer.name, bearer.number):
        raise UnfitError(
            f"foreign account: {path} is of {_told(whose.get('name'))} "
            f"{_told(whose.get('number'))}, this is {bearer.name} {bearer.number}"
        )
    seal = document.pop(_SEAL, None)
    try:
        wanted = _seal_of(document, bearer)
    except RecursionError:
        raise damaged from None
    if not isinstance(seal, str) or not hmac.compare_digest(
        seal.encode("utf-8", "replace"), wanted.encode()
    ):
        raise UnfitError(
            f"forged: the seal of {path} is not of this account's keys: edited, or the keys are "
            f"new; {RENEW}"
        )
    if _text_of({**document, _SEAL: seal}) != raw:
        raise damaged  # the same words in other bytes: somebody had a hand in it
    return _read(document, damaged)


def sealed(document: Mapping[str, Any], bearer: Bearer) -> bytes:
    """Return the bytes of a certificate that says `document`: plain JSON values, no floats."""
    return _text_of({**document, _SEAL: _seal_of(document, bearer)})


def document_of(
    bearer: Bearer,
    issued_at: datetime,
    valid: timedelta,
    evidence: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what a certificate says: `evidence` beside what it binds."""
    document: dict[str, Any] = {
        "format": FORMAT,
        "mode": MODE,
        "issued_at": _moment(issued_at),
        "expires_at": _moment(issued_at + valid),
        "account": {"name": bearer.name, "number": bearer.number},
        "code_digest": bearer.code,
        "sections_digest": bearer.sections,
        "sections": dict(bearer.each_section),
        **evidence,
    }
    digest = hashlib.sha256(_text_of(document)).hexdigest()
    return {**document, "certificate_id": f"{issued_at:%Y%m%d}-{digest[:8]}"}


def write_certificate(path: Path, raw: bytes) -> None:
    """Put the file in its place, whole and on the disk, for its owner only. Raises AtlasError."""
    draft = path.with_name(f".{path.name}.new")
    try:
        with contextlib.suppress(FileNotFoundError):
            draft.unlink()
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW
        with os.fdopen(os.open(draft, flags, 0o600), "wb") as file:
            if os.geteuid() == 0:  # what root writes is for the folder's owner to read
                owner = path.parent.stat()
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
        folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        with contextlib.suppress(OSError):
            draft.unlink()
        raise AtlasError(f"{path}: cannot be written: {error.strerror}") from error


def _bytes_of(path: Path) -> bytes:
    try:
        descriptor = os.open(path, _OPENING)
    except FileNotFoundError:
        raise UnfitError(f"missing: {path} is not there; `atlasd promote` writes it") from None
    except OSError as error:
        is_link = error.errno == errno.ELOOP
        why = "a link, not a file" if is_link else error.strerror
        raise UnfitError(f"unreadable: {path}: {why}") from None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UnfitError(f"unreadable: {path}: not a file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            raw = file.read(SIZE_MAX + 1)
    except OSError as error:
        raise UnfitError(f"unreadable: {path}: {error.strerror}") from None
    finally:
        os.close(descriptor)
    if len(raw) > SIZE_MAX:
        raise UnfitError(f"damaged: {path} is too long for a certificate; {RENEW}")
    return raw


def _seal_of(document: Mapping[str, Any], bearer: Bearer) -> str:
    key = hmac.new(bearer.secret.encode(), _KEY_DOMAIN, hashlib.sha256).digest()
    return hmac.new(key, _text_of(document), hashlib.sha256).hexdigest()


def _text_of(document: Mapping[str, Any]) -> bytes:
    return f"{json.dumps(document, indent=1, sort_keys=True)}\n".encode()


def _read(document: Mapping[str, Any], damaged: UnfitError) -> Certificate:
    """Return the certificate of a document that we have sealed ourselves."""
    try:
        return Certificate(
            certificate_id=document["certificate_id"],
            issued_at=_aware(document["issued_at"]),
            expires_at=_aware(document["expires_at"]),
            account=(document["account"]["name"], document["account"]["number"]),
            code=document["code_digest"],
            sections=document["sections_digest"],
            each_section=document["sections"],
        )
    except (KeyError, TypeError, ValueError):
        raise damaged from None


def _aware(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError(text)
    return at


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _shown(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


def _told(found: object) -> str:
    """Return a name out of a file that nobody has vouched for."""
    return found if isinstance(found, str) and _NAME.fullmatch(found) else "(unreadable)"
