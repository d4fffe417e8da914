"""`atlasd config`: what is in force, where it came from, and no secret."""

import json

from atlas_daemon.config import KEYS

TOKEN = "https://hooks.example/T0/very-secret"


def test_every_key_is_shown_with_its_value_and_origin(shell):
    said = shell("config", "show")
    assert said.exit_code == 0
    rows = [line.split() for line in said.output.splitlines()]
    assert rows[0][:2] == ["[LOCAL]", "LARGE"] and rows[0][2].endswith("/atlas.toml")
    assert [row[0] for row in rows[1:]] == list(KEYS)
    told = {row[0]: row[1:] for row in rows[1:]}
    assert told["account.mode"] == ['"local"', "atlas.toml:2"]
    assert told["risk.max_position_pct"] == ["0.15", "default"]
    assert told["report.expected_cagr"] == ["(none)", "default"]


def test_only_what_somebody_set_is_shown_where_asked_for(shell, monkeypatch):
    monkeypatch.setenv("ATLAS_RISK__MAX_POSITION_PCT", "0.1")
    said = shell("config", "show", "--changed")
    assert [line.split()[0] for line in said.output.splitlines()[1:]] == [
        *("account.mode", "risk.max_position_pct"),
        *("paths.state_dir", "paths.log_dir", "dashboard.port"),
    ]


def test_s181_a_secret_is_masked_in_text_and_json(shell, monkeypatch):
    monkeypatch.setenv("ATLAS_NOTIFY__WEBHOOK_URL", TOKEN)
    text, as_json = shell("config", "show"), shell("config", "show", "--json")
    assert "very-secret" not in text.output + as_json.output
    key = json.loads(as_json.output)["keys"]["notify.webhook_url"]
    assert (key["value"], key["origin"]) == ("****", "ATLAS_NOTIFY__WEBHOOK_URL")
    assert key["is_secret"] and not key["is_default"] and not key["takes_restart"]


def test_as_json_every_key_says_what_it_allows(shell):
    document = json.loads(shell("config", "show", "--json").output)
    assert list(document["keys"]) == list(KEYS)
    assert document["digest"] == shell.settings.digest()
    for name, told in document["keys"].items():
        assert told["allowed"] == KEYS[name].kind.allowed
        assert told["takes_restart"] == KEYS[name].is_fixed


def test_a_configuration_that_is_not_fit_ends_with_78_and_one_line(shell, tmp_path):
    (tmp_path / "atlas.toml").write_text("[risk]\nmax_position_pct = 2\n[rizk]\n")
    said = shell("config", "show")
    assert said.exit_code == 78
    assert said.stderr.count("\n") == 1
    assert "risk.max_position_pct = 2 (atlas.toml): must be a number, 0 < x <= 1; [rizk]" in (
        said.stderr
    )


def test_a_file_is_checked_before_it_takes_its_place(shell, tmp_path):
    draft = tmp_path / "draft.toml"
    draft.write_text(
        '[account]\nmode = "local"\n[strategy]\ntop_n = 7\n[paths]\nstate_dir = "state"\n'
    )
    said = shell("config", "check", "draft.toml")
    assert (said.exit_code, said.output) == (0, "[LOCAL] LARGE  draft.toml: fit; 3 keys are set\n")
    keys = json.loads(shell("config", "check", "draft.toml", "--json").output)["keys"]
    assert keys["strategy.top_n"]["origin"] == "draft.toml:4"
    draft.write_text("[strategy]\ntop_n = 0\n")
    said = shell("config", "check", "draft.toml")
    assert said.exit_code == 78 and "strategy.top_n = 0 (draft.toml): must be" in said.stderr
    assert shell("config", "check", "none.toml").exit_code == 78


def test_what_a_terminal_would_obey_is_spelled_out_in_a_refusal(shell):
    said = shell("config", "check", "no\x1b]0;title\x07\u202e\nsuch.toml")
    assert said.exit_code == 78
    assert "no\\x1b]0;title\\x07\\u202e such.toml" in said.stderr
    assert said.stderr.count("\n") == 1
