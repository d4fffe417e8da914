"""What counts as evidence: its kinds, and the form of a word on record. Questions only."""

import re

from . import events as e

KINDS = ("drill", "doctor", "restore", "approval", "gap", "alert")
"""Tried on the installed host, looked at, brought back, approved by a person, explained, told."""
TEXT_MAX = 500
_NAME = re.compile(r"[\w.:@/+-]{1,120}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


def why_unfit(event: e.EvidenceReported) -> str:
    """Return why a word cannot stand as evidence, in one line; empty where it can."""
    if event.kind not in KINDS:
        return f"kind {event.kind[:40]!r} is none of {', '.join(KINDS)}"
    if not _NAME.fullmatch(event.name):
        return f"name {event.name[:40]!r}: letters, digits and . _ : @ / + - without a space"
    if not event.text.isprintable() or not 0 < len(event.text) <= TEXT_MAX:
        return f"text: one line of up to {TEXT_MAX} characters was expected"
    for name, digest in (("code", event.code_digest), ("config", event.config_digest)):
        if not _DIGEST.fullmatch(digest):
            return f"{name}_digest {digest[:20]!r}: 64 digits of a SHA-256 were expected"
    return ""
