"""How a message is written for each kind of webhook: address, headers, JSON, and its limits.

generic: all there is to know, under names of its own. slack: {"text"} with its three escapes.
discord: {"content"} of at most 2000 characters, mentioning nobody. ntfy: published as JSON to the
server's root, the topic taken from the address.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from yarl import URL

from .notice import Letter, Severity

NTFY_PRIORITY = {Severity.INFO: 3, Severity.WARNING: 4, Severity.CRITICAL: 5}
NTFY_TAGS = {
    Severity.INFO: "information_source",
    Severity.WARNING: "warning",
    Severity.CRITICAL: "rotating_light",
}

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Template:
    """One kind of webhook."""

    name: str
    limit: int
    """Characters of title and text together that it takes."""
    body: Callable[[Letter, URL], Body]
    is_root: bool = False
    """The JSON goes to the address without its last part."""

    def address(self, url: URL) -> URL:
        """Return where to post."""
        if not self.is_root:
            return url
        return url.with_path(f"{url.path.rpartition('/')[0]}/").with_query(url.query)

    def bytes_of(self, letter: Letter, url: URL) -> bytes:
        """Return the request's body."""
        return msgspec.json.encode(self.body(letter, url))


def _generic(letter: Letter, url: URL) -> Body:
    return {
        "account": letter.label,
        "level": letter.severity.value,
        "about": letter.about,
        "title": letter.title,
        "text": letter.text,
        "lines": list(letter.lines),
        "meaning": letter.meaning,
        "by_itself": letter.by_itself,
        "to_do": letter.to_do,
        "since": letter.at.isoformat(),
        "head": letter.head,
    }


def _slack(letter: Letter, url: URL) -> Body:
    text = f"{letter.title}\n{letter.whole}"
    for char, escaped in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        text = text.replace(char, escaped)
    return {"text": text}


def _discord(letter: Letter, url: URL) -> Body:
    text = f"{letter.title}\n{letter.whole}"
    while len(text.encode("utf-16-le")) // 2 > 2000:
        text = text[:-1]
    return {"content": text, "allowed_mentions": {"parse": []}}


def _ntfy(letter: Letter, url: URL) -> Body:
    return {
        "topic": url.path.rpartition("/")[2],
        "title": letter.title,
        "message": letter.whole,
        "priority": NTFY_PRIORITY[letter.severity],
        "tags": [NTFY_TAGS[letter.severity]],
    }


GENERIC = Template("generic", 20_000, _generic)
TEMPLATES: Mapping[str, Template] = {
    "generic": GENERIC,
    "slack": Template("slack", 3000, _slack),
    "discord": Template("discord", 1900, _discord),
    "ntfy": Template("ntfy", 1300, _ntfy, is_root=True),  # 4096 bytes, of up to 3 a character
}


def template_for(name: str, url: str) -> Template:
    """Return a template by its name; `auto` goes by the address."""
    if name != "auto":
        return TEMPLATES[name]
    try:
        parsed = URL(url)
    except ValueError:
        return GENERIC
    host, path = parsed.host or "", parsed.path
    if host == "hooks.slack.com":
        return TEMPLATES["slack"]
    if host in ("discord.com", "discordapp.com") and path.startswith("/api/"):
        # Discord takes Slack's JSON at an address that says so.
        return TEMPLATES["slack" if path.endswith("/slack") else "discord"]
    if host == "ntfy.sh" or host.startswith("ntfy."):
        return TEMPLATES["ntfy"]
    return GENERIC
