"""`atlasd alert`: what comes of it where addresses take the message, wait, or never take it."""

from dataclasses import dataclass, field

import pytest

from atlas_daemon.cli import alert
from atlas_daemon.edges.notify import Delivered, Later, Never

TOOK, BUSY, GONE = Delivered(), Later("HTTP 503"), Never("HTTP 404")


@dataclass
class Channel:
    """Answers each delivery with the next of `verdicts`, and for ever with the last."""

    name: str
    verdicts: list[object]
    limit: int = 1000
    letters: list[object] = field(default_factory=list)

    async def deliver(self, letter: object) -> object:
        self.letters.append(letter)
        return self.verdicts[min(len(self.letters), len(self.verdicts)) - 1]


@pytest.fixture
def told(shell, monkeypatch):
    """Type the command with these channels configured."""

    def tell(*channels: Channel):
        monkeypatch.setattr("atlas_daemon.teller.channels_of", lambda settings, now: channels)
        return shell("alert", "look at the account")

    monkeypatch.setattr(alert, "TRIES_S", (0.0, 0.0, 0.0))
    return tell


def test_without_an_address_nobody_is_told_and_the_text_is_not_lost(shell):
    done = shell("alert", "look at the account")
    assert done.exit_code == 1
    assert "nobody is told" in done.stderr
    assert "look at the account" in done.stderr


def test_a_message_that_all_take_is_critical_and_names_the_account(told):
    webhook, apprise = Channel("webhook", [TOOK]), Channel("apprise", [TOOK])
    done = told(webhook, apprise)
    assert (done.exit_code, done.stdout) == (0, "[LOCAL] LARGE  told over webhook, apprise\n")
    (letter,) = webhook.letters
    assert letter.title == "[LOCAL] LARGE CRITICAL: atlasd alert"
    assert "look at the account" in letter.whole


@pytest.mark.parametrize(
    ("verdicts", "tries", "exit_code"),
    [
        ([BUSY, TOOK], 2, 0),
        ([BUSY, BUSY, TOOK], 3, 0),
        ([BUSY], 3, 1),
        ([GONE], 1, 1),
        ([BUSY, GONE], 2, 1),
    ],
)
def test_who_is_busy_is_asked_three_times_and_who_refuses_for_good_once(
    told, verdicts, tries, exit_code
):
    webhook = Channel("webhook", verdicts)
    assert told(webhook).exit_code == exit_code
    assert len(webhook.letters) == tries


@pytest.mark.parametrize(
    ("webhook", "apprise", "said"),
    [
        (GONE, TOOK, "webhook did not take it: HTTP 404"),
        (TOOK, BUSY, "apprise did not take it: HTTP 503"),
        (GONE, BUSY, "webhook did not take it: HTTP 404; apprise did not take it: HTTP 503"),
    ],
)
def test_one_that_fails_is_named_and_keeps_no_other_from_being_told(told, webhook, apprise, said):
    channels = Channel("webhook", [webhook]), Channel("apprise", [apprise])
    done = told(*channels)
    assert done.exit_code == 1
    assert done.stderr.strip().endswith(said)
    assert all(channel.letters for channel in channels)
