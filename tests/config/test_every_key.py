"""Every key, each with values that nobody can mean; and files as other systems write them."""

import pytest

from atlas_daemon.config import KEYS
from atlas_daemon.core.errors import ConfigError
from tests.config.test_sources import refusal

NOBODY_S = {
    "a table": "{ a = 1 }",
    "a list of lists": "[[1]]",
    "a list of flags": "[true]",
    "a date": "1979-05-27",
    "not a number": "nan",
    "infinite": "inf",
    "less than anything": "-inf",
    "beyond all measure": "1e400",
    "a huge whole number": f"1{'0' * 40}",
    "a huge negative one": f"-1{'0' * 40}",
    "a line break": '"a\\nb"',
}
"""Values of TOML that no key takes."""


@pytest.mark.parametrize("name", KEYS)
def test_a_value_that_nobody_can_mean_is_refused_with_key_source_and_what_is_allowed(desk, name):
    section, _, word = name.partition(".")
    for value in NOBODY_S.values():
        text = refusal(desk.toml(f"# a file\n[{section}]\n{word} = {value}\n"))
        assert text.startswith(f"{name} = "), value
        assert f"(atlas.toml): must be {KEYS[name].kind.allowed}" in text, value
        assert "\n" not in text


@pytest.mark.parametrize("name", KEYS)
def test_a_variable_with_a_control_character_is_refused_the_same_way(desk, name):
    variable = KEYS[name].variable
    text = refusal(desk.env(**{variable: "\a"}))
    assert text.startswith(f"{name} = ")
    assert f"({variable}): must be {KEYS[name].kind.allowed}" in text


def test_every_mistake_of_all_sources_is_told_at_once(desk):
    desk.toml("loose = 1\n[risk]\nmax_position_pct = 2\n[rizk]\na = 1\n[strategy]\ntop_m = 1\n")
    desk.dotenv("ATLAS_REBALANCE__ROUNDS=0\n")
    desk.env(ATLAS_NOTIFY__DAILY="perhaps", ATLAS_RISC__ROUNDS="1")
    desk.overrides["dashboard.port"] = -1
    text = refusal(desk)
    for said in (
        "loose (atlas.toml): a key outside of any section",
        "risk.max_position_pct = 2 (atlas.toml): must be a number, 0 < x <= 1",
        "[rizk] (atlas.toml): no such section; did you mean risk?",
        "strategy.top_m (atlas.toml): no such key; did you mean strategy.top_n?",
        'rebalance.rounds = "0" (.env:1): must be a whole number, 1 to 10',
        'notify.daily = "perhaps" (ATLAS_NOTIFY__DAILY): must be true or false',
        "ATLAS_RISC__ROUNDS (environment): no such key",
        "dashboard.port = -1 (command line): must be",
    ):
        assert said in text
    assert len(text.split("; ")) >= 8 and "\n" not in text


def test_every_contradiction_is_told_at_once(desk):
    desk.toml(
        '[account]\nmode = "live"\n[regime]\nsource = "fixed:CRASH"\n'
        "[risk]\ndrift_band_pct = 0.5\n[reconcile]\nevery_s = 3600\n"
    )
    text = refusal(desk)
    for name in ("account.number", "regime.source", "risk.drift_band_pct", "reconcile.every_s"):
        assert name in text


def test_of_very_many_mistakes_the_first_are_told_and_the_rest_counted(desk):
    rows = "".join(f"nonsense_{n} = 1\n" for n in range(50))
    text = refusal(desk.toml(f"[risk]\n{rows}"))
    assert "risk.nonsense_19 " in text and "risk.nonsense_20 " not in text
    assert text.endswith("and 30 more mistakes")


@pytest.mark.parametrize(
    "raw",
    [
        b"\xef\xbb\xbf[strategy]\r\ntop_n = 7\r\n",
        b"[strategy]\r\n\r\ntop_n = 7\r\n# \xc3\xa4 \xe2\x82\xac\r\n",
        "[strategy]\ntop_n = 7 # ünï\n".encode(),
    ],
)
def test_a_file_of_another_system_is_read(desk, raw):
    (desk.folder / "atlas.toml").write_bytes(raw)
    settings = desk.load()
    assert settings.strategy.top_n == 7


@pytest.mark.parametrize("raw", [b"", b"\n", b"\xef\xbb\xbf", b"# nothing\n", b"[risk]\n"])
def test_an_empty_file_leaves_the_defaults(desk, raw):
    (desk.folder / "atlas.toml").write_bytes(raw)
    assert all(item.is_default for item in desk.load().items() if "paths" not in item.name)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[risk]\nmax_position_pct = 0.1\nmax_position_pct = 0.2\n", "not valid TOML: "),
        ("[risk]\n[risk]\n", "not valid TOML: "),
        ("[risk]\n'max_position_pct' = 0.1\n\"max_position_pct\" = 0.2\n", "not valid TOML: "),
        ("[risk]\nmäx = 1\n", "not valid TOML: "),
        ("[risk]\n'mäx' = 1\n", "risk.mäx (atlas.toml): no such key"),
        ("[[risk]]\nmax_position_pct = 0.1\n", "risk (atlas.toml): a key outside of any section"),
        ("[a.b]\nc = 1\n", "[a] (atlas.toml): no such section"),
        ("[risk.max_position_pct]\na = 1\n", "risk.max_position_pct = {...} (atlas.toml): must"),
    ],
)
def test_a_key_given_twice_or_oddly_is_named(desk, text, said):
    assert said in refusal(desk.toml(text))


def test_a_file_that_may_not_be_read_is_named(desk, monkeypatch):
    desk.toml("[risk]\n")

    def closed(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.read_bytes", closed)
    assert "atlas.toml: cannot be read: Permission denied" in refusal(desk)


def test_a_listing_says_line_and_source_of_what_is_not_a_default(desk):
    desk.toml('# first\n[account]\nname = "BOOK"\n\n[risk] # limits\n  max_position_pct=0.1\n')
    desk.dotenv("OTHER=1\nATLAS_STRATEGY__TOP_N=7\n")
    desk.env(ATLAS_REBALANCE__ROUNDS="2")
    desk.overrides["dashboard.port"] = 0
    given = {i.name: i.origin for i in desk.load().items() if not i.is_default}
    assert given == {
        "account.name": "atlas.toml:3",
        "risk.max_position_pct": "atlas.toml:6",
        "strategy.top_n": ".env:2",
        "rebalance.rounds": "ATLAS_REBALANCE__ROUNDS",
        "dashboard.port": "command line",
    }


def test_what_was_read_can_be_read_again_from_the_same_sources(desk):
    settings = desk.toml("[strategy]\ntop_n = 7\n").load()
    desk.toml("[strategy]\ntop_n = 8\n")
    assert settings.reread().strategy.top_n == 8
    assert settings.changed(settings.reread()) == ("strategy.top_n",)
    (desk.folder / "atlas.toml").unlink()
    with pytest.raises(ConfigError, match="No such file"):
        settings.reread()


def test_a_local_broker_just_started_is_taken_over_when_read_again(desk):
    url = "http://127.0.0.1:4711"
    settings = desk.toml('[account]\nmode = "local"\n').load().at_local_broker(url)
    again = settings.reread()
    assert again.broker.trading_url == url and settings.changed(again) == ()
    desk.toml('[account]\nmode = "paper"\n')
    with pytest.raises(ConfigError, match=r"account\.mode, .*broker\.trading_url.*: restart"):
        settings.refuse_fixed(settings.reread())
