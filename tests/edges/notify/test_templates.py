"""How a message looks: to a sleepy person, and to each kind of webhook within its limits."""

import pytest
from yarl import URL

from atlas_daemon.edges.notify.letters import write
from atlas_daemon.edges.notify.templates import TEMPLATES, template_for
from tests.edges.notify.post import HEAD, START, notice

HOOK = "https://hooks.example/T0/secret"


def letter(*notices, limit=2000, label="[LIVE] MAIN"):
    return write(notices, label=label, head=f"62:{HEAD}", limit=limit)


HALTED = notice(62, "halted by SIGUSR1: signal", "critical", key="halt")


def test_a_message_says_what_since_when_what_happens_by_itself_and_what_to_type() -> None:
    told = letter(HALTED)
    assert told.title == "[LIVE] MAIN CRITICAL: halt"
    assert told.whole.splitlines() == [
        "halted by SIGUSR1: signal",
        "2027-02-01 09:35 New York.",
        "By itself: stopped: no order leaves, open orders are cancelled until none is seen, also "
        "over restarts",
        "To do: atlasd status; when the reason is gone: atlasd resume",
        f"journal 62:{HEAD}",
    ]


def test_what_asks_for_nothing_has_no_advice() -> None:
    told = letter(notice(80, "2027-02 done: 99.1% deployed", "info", key="run"))
    assert "To do" not in told.whole
    assert "By itself" not in told.whole


def test_many_are_one_message_in_their_order_with_what_to_do_for_the_critical() -> None:
    many = [notice(n, f"text {n}") for n in range(12)]
    told = letter(*many, HALTED)
    lines = told.whole.splitlines()
    assert told.title == "[LIVE] MAIN CRITICAL: 13 messages"
    assert lines[0] == "13 messages since 2027-02-01 09:35 New York, 1 critical:"
    assert lines[1] == "2027-02-01 09:35 New York: WARNING text 0"
    assert lines[9] == "2027-02-01 09:35 New York: CRITICAL halted by SIGUSR1: signal"
    assert lines[10] == "and 4 more (4 order): see the log"
    assert lines[11].startswith("To do: atlasd status; when the reason is gone")
    assert lines[12] == f"journal 62:{HEAD}"
    assert told.settles == {*many, HALTED}


def test_generic_json_has_everything_under_its_name() -> None:
    assert TEMPLATES["generic"].body(letter(HALTED), URL(HOOK)) == {
        "account": "[LIVE] MAIN",
        "level": "critical",
        "about": "halt",
        "title": "[LIVE] MAIN CRITICAL: halt",
        "text": "halted by SIGUSR1: signal",
        "lines": ["2027-02-01 09:35 New York."],
        "meaning": "Trading is stopped, or goes on after a stop.",
        "by_itself": "stopped: no order leaves, open orders are cancelled until none is seen, "
        "also over restarts",
        "to_do": "atlasd status; when the reason is gone: atlasd resume",
        "since": "2027-02-01T14:35:00+00:00",
        "head": f"62:{HEAD}",
    }


def test_slack_is_a_text_with_its_three_escapes() -> None:
    odd = notice(1, "<!channel> & <b>", "critical")
    body = TEMPLATES["slack"].body(letter(odd), URL(HOOK))
    assert list(body) == ["text"]
    assert "&lt;!channel&gt; &amp; &lt;b&gt;" in body["text"]


def test_discord_has_at_most_2000_characters_and_mentions_nobody() -> None:
    template = TEMPLATES["discord"]
    wide = [notice(n, "😀" * 3000, "critical") for n in range(2)]
    body = template.body(letter(*wide, limit=template.limit), URL(HOOK))
    assert len(body["content"].encode("utf-16-le")) // 2 <= 2000
    assert body["allowed_mentions"] == {"parse": []}


def test_ntfy_is_published_at_the_servers_root_with_topic_and_priority() -> None:
    template = TEMPLATES["ntfy"]
    url = URL("https://user:pass@push.example/ntfy/my-topic?auth=abc")
    body = template.body(letter(HALTED), url)
    assert str(template.address(url)) == "https://user:pass@push.example/ntfy/?auth=abc"
    assert (body["topic"], body["priority"], body["tags"]) == ("my-topic", 5, ["rotating_light"])
    assert body["title"] == "[LIVE] MAIN CRITICAL: halt"
    assert len(template.bytes_of(letter(notice(1, "語" * 5000), limit=template.limit), url)) < 4096


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", "slack"),
        ("https://discord.com/api/webhooks/1/x", "discord"),
        ("https://discordapp.com/api/webhooks/1/x", "discord"),
        ("https://discord.com/api/webhooks/1/x/slack", "slack"),
        ("https://ntfy.sh/topic", "ntfy"),
        ("https://ntfy.example.org/topic", "ntfy"),
        ("https://discord.com.evil.example/api/webhooks/1/x", "generic"),
        ("http://127.0.0.1:1/hook", "generic"),
        ("http://[::1", "generic"),
    ],
)
def test_the_template_goes_by_the_address_unless_it_is_named(url: str, name: str) -> None:
    assert template_for("auto", url).name == name
    assert template_for("ntfy", url).name == "ntfy"


@pytest.mark.parametrize("name", TEMPLATES)
def test_criticals_that_do_not_fit_have_their_lines_in_the_next_messages(name: str) -> None:
    waiting = [notice(n, f"critical {n}: " + "long " * 30, "critical") for n in range(130)]
    told, messages = "", 0
    while waiting:
        one = letter(*waiting, limit=TEMPLATES[name].limit)
        told += one.whole
        waiting = [each for each in waiting if each not in one.settles]
        messages += 1
    assert all(f"critical {n}:" in told for n in range(130))
    assert messages > 1


@pytest.mark.parametrize("name", TEMPLATES)
def test_every_template_keeps_its_limit_whatever_is_said(name: str) -> None:
    template = TEMPLATES[name]
    for count in (1, 2, 5, 60):
        many = [notice(n, f"{n} " + "long " * 900, "critical") for n in range(count)]
        told = letter(*many, limit=template.limit)
        assert len(told.title) + 1 + len(told.whole) <= template.limit
        assert many[0] in told.settles
        assert f"62:{HEAD}" in told.whole
        assert told.at == START
