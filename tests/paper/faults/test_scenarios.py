"""Scenario files: read strictly, taken step by step in the broker's time."""

import tomllib
from datetime import datetime, timedelta

import pytest

from atlas_daemon.paper.faults import scenario
from atlas_daemon.paper.faults.fault import FaultError
from atlas_daemon.paper.faults.fault_kinds import KINDS
from tests.paper.sockets import Client, running
from tests.paper.world import CLOSE, EVENING, NEXT_OPEN, NOON, OPEN

HEAD = 'title = "A title"\nstory = "A story."\n'


def read(text: str) -> scenario.Scenario:
    return scenario.read(tomllib.loads(HEAD + text), "mine")


# The packaged ones.


@pytest.mark.parametrize("name", scenario.names())
def test_each_packaged_scenario_says_what_happens_and_what_is_expected(name):
    story = scenario.load(name)
    assert "A correct daemon" in story.story
    assert story.steps and len(story.title) <= 70
    text = (scenario.FOLDER / f"{name}.toml").read_text()
    assert "[expect]" in text
    assert max(len(line) for line in text.splitlines()) <= 100


def test_the_packaged_scenarios_use_nearly_the_whole_vocabulary():
    used = {s.fault.kind for n in scenario.names() for s in scenario.load(n).steps if s.fault}
    unused = {"http_504", "stream_refused", "trading_blocked", "unexplained_cash"}
    assert set(KINDS) - used == unused


# Reading.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("other = 1", "other: is unknown; known: title, story, step, expect"),
        ("step = 3", "step: must be tables"),
        ("[[step]]\nat = 'open'", "step 1: fault: is missing"),
        ("[[step]]\nfault = 'gremlin'", "step 1: fault: 'gremlin' is unknown"),
        ("[[step]]\nkind = 'hang'\nfault = 'hang'", "step 1: kind: is written fault here"),
        ("[[step]]\nfault = 'hang'\n[[step]]\nfault = 'delay'", "step 2: seconds: is needed"),
        ("[[step]]\nfault = 'hang'\nsecs = 1", "step 1: secs: is no parameter of any fault"),
        ("[[step]]\nfault = 'hang'\nseconds = 1", "step 1: seconds: is no parameter of hang"),
        ("[[step]]\nfault = 'hang'\nat = 'noon'", "step 1: at: must be like open+5m"),
        ("[[step]]\nfault = 'hang'\nat = 'open+5'", "step 1: at: must be like open+5m"),
        ("[[step]]\nfault = 'hang'\nat = '24:00'", "step 1: at: must be like open+5m"),
        ("[[step]]\nfault = 'hang'\nsession = 2", "step 1: session: needs at"),
        ("[[step]]\nfault = 'hang'\nat = 'open'\nsession = 0", "step 1: session: must be 1 to"),
        ("[[step]]\nfault = 'hang'\non = 'order filled'", "step 1: on: must be like"),
        ("[[step]]\nfault = 'hang'\non = 'order 0 filled'", "step 1: on: must be like"),
        ("[[step]]\nfault = 'hang'\non = 'order 1 filled'\nat = 'open'", "step 1: on: and at"),
        ("[[step]]\nfault = 'hang'\nafter_s = -1", "step 1: after_s: must be a number"),
        ("[[step]]\nfault = 'hang'\nafter_s = true", "step 1: after_s: must be a number"),
        ("[[step]]\nclear = 'gremlin'", "step 1: clear: 'gremlin' is no kind"),
        ("[[step]]\nclear = 'all'\ncount = 1", "step 1: count: is unknown"),
        ("[[step]]\nfault = 'halted_symbol'\nsymbol = 'ordered'", "step 1: symbol: ordered needs"),
        ("[expect]\noutcome = 'well'", "expect.outcome: must be one of done"),
        ("[expect]\nbooks = 'odd'", "expect.books: must be one of equal, told"),
        ("[expect]\nalerts = 'x'", "expect.alerts: must be a list"),
        ("[expect]\nmore = 1", "expect.more: is unknown"),
    ],
)
def test_a_mistake_is_one_line_that_names_its_key(text, said, tmp_path):
    with pytest.raises(FaultError) as caught:
        read(text)
    assert str(caught.value).startswith(said)
    path = tmp_path / "mine.toml"
    path.write_text(HEAD + text)
    with pytest.raises(scenario.ScenarioError) as shown:
        scenario.load(str(path))
    assert str(shown.value).startswith(f"scenario {path}: {said}")
    assert "\n" not in str(shown.value)


@pytest.mark.parametrize(
    "head", ['title = "x"', 'story = "x"', 'title = ""\nstory = "x"', "title = 3"]
)
def test_title_and_story_are_needed(head):
    with pytest.raises(FaultError, match=r"^(title|story): "):
        scenario.read(tomllib.loads(head), "mine")


def test_what_is_no_file_no_toml_or_no_name_is_told(tmp_path):
    cases = {
        "mute-streem": "none has that name, nor a .toml file; meant mute-stream?",
        str(tmp_path / "gone.toml"): "No such file",
        str(tmp_path): "Is a directory",
    }
    (tmp_path / "bad.toml").write_bytes(b"title = \xff")
    (tmp_path / "half.toml").write_text("title = [")
    (tmp_path / "huge.toml").write_text("#" * 70_000)
    cases |= {str(tmp_path / name): "" for name in ("bad.toml", "half.toml", "huge.toml")}
    for name, said in cases.items():
        with pytest.raises(scenario.ScenarioError) as caught:
            scenario.load(name)
        assert said in str(caught.value)
        assert "\n" not in str(caught.value)


# Taking the steps.


def taken(client: Client) -> list[datetime | None]:
    return [step.taken_at for step in client.broker.desk.console.script.steps]


@pytest.mark.parametrize(
    ("when", "starts_at", "moment"),
    [
        ("", NOON, NOON),
        ("after_s = 90", NOON, NOON + timedelta(seconds=90)),
        ('at = "open+5m"', OPEN, OPEN + timedelta(minutes=5)),
        ('at = "open+5m"', NOON, NEXT_OPEN + timedelta(minutes=5)),
        ('at = "open+5m"\nsession = 2', OPEN, NEXT_OPEN + timedelta(minutes=5)),
        ('at = "close-30s"', NOON, CLOSE - timedelta(seconds=30)),
        ('at = "close+2h"', EVENING - timedelta(hours=1), EVENING),
        ('at = "12:30"', NOON, NOON + timedelta(minutes=30)),
        ('at = "09:30"\nafter_s = 60', NOON, NEXT_OPEN + timedelta(minutes=1)),
    ],
)
@pytest.mark.asyncio
async def test_a_step_is_taken_at_its_very_moment_however_far_the_clock_jumps(
    when, starts_at, moment
):
    story = read(f"[[step]]\nfault = 'deposit'\namount = 1\n{when}")
    async with running(scenario=story, starts_at=starts_at) as client:
        if moment > starts_at:
            assert taken(client) == [None]
            client.go_to(moment - timedelta(seconds=1))
            assert taken(client) == [None]
        client.go_to(moment + timedelta(days=1))
        assert taken(client) == [moment]
        (activity,) = await client.get("/v2/account/activities")
        assert activity["created_at"] == f"{moment:%Y-%m-%dT%H:%M:%S}Z"


@pytest.mark.asyncio
async def test_a_step_waits_for_what_becomes_of_an_order():
    occasions = ["order 2 accepted", "buy 1 filled", "sell 1 partially filled", "order 1 canceled"]
    text = "".join(f"[[step]]\non = '{on}'\nfault = 'suspend_trade'\n" for on in occasions)
    text += "[[step]]\non = 'buy 1 filled'\nafter_s = 60\nclear = 'all'\n"
    text += "[[step]]\nfault = 'partial_fill'\nside = 'sell'\nshare = 0.5\n"
    async with running(scenario=read(text)) as client:
        sell = await client.order(side="sell", qty=5)
        assert [at is not None for at in taken(client)] == [False] * 5 + [True]
        # What the console does itself is not counted.
        await client.ask("POST", "/_admin/faults", json={"kind": "manual_trade", "symbol": "CHEAP"})
        await client.wait()
        assert [at is not None for at in taken(client)][:3] == [False, False, True]
        status, _ = await client.ask("POST", "/v2/orders", json={})
        assert status == 403, "suspended since the part was filled"
        await client.ask("POST", "/_admin/faults", json={"kind": "allow_trade"})
        await client.order(symbol="CHEAP")
        assert taken(client)[0] is not None and taken(client)[1] is None
        await client.wait()
        bought, cleared = taken(client)[1], taken(client)[4]
        assert bought is not None and cleared is None
        await client.wait(60)
        assert taken(client)[4] == bought + timedelta(seconds=60)
        assert taken(client)[3] is None
        assert (await client.get(f"/v2/orders/{sell['id']}"))["status"] == "filled"


@pytest.mark.asyncio
async def test_the_symbol_may_be_the_orders_own_or_one_that_is_held():
    text = (
        "[[step]]\non = 'buy 1 accepted'\nfault = 'halted_symbol'\nsymbol = 'ordered'\n"
        "[[step]]\nfault = 'dividend'\nsymbol = 'held'\nper_share = 1\n"
        "[[step]]\nafter_s = 5\nfault = 'halted_symbol'\nsymbol = 'NOPE'\n"
    )
    async with running(scenario=read(text)) as client:
        await client.order(symbol="CHEAP")
        assert client.broker.desk.exchange.engine.halted == {"CHEAP"}
        await client.wait()
        outcomes = [step.outcome for step in client.broker.desk.console.script.steps]
        assert outcomes == ["", "5 dollars for SPY", "refused: symbol: NOPE is not known"]
