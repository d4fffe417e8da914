"""Which source wins, where a value came from, and the one line that refuses a bad one."""

from decimal import Decimal
from pathlib import Path

import pytest

from atlas_daemon.config import load_settings
from atlas_daemon.config.sources import read_dotenv
from atlas_daemon.core.errors import ConfigError

D = Decimal


def refusal(desk, **kwargs):
    with pytest.raises(ConfigError) as caught:
        desk.load(**kwargs)
    assert caught.value.exit_code == 78
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    return text


def test_without_any_source_the_defaults_are_in_force(desk):
    settings = desk.load()
    assert settings.config_path is None
    assert settings.risk.max_position_pct == D("0.15")
    assert settings.origin("risk.max_position_pct") == "default"


def test_each_source_wins_over_the_ones_before_it(desk):
    name = "risk.max_position_pct"
    desk.toml("[risk]\nmax_position_pct = 0.10\n")
    assert (desk.load().risk.max_position_pct, desk.load().origin(name)) == (
        D("0.10"),
        "atlas.toml",
    )
    desk.dotenv("# limits\nATLAS_RISK__MAX_POSITION_PCT=0.11\n")
    assert (desk.load().risk.max_position_pct, desk.load().origin(name)) == (D("0.11"), ".env:2")
    desk.env(ATLAS_RISK__MAX_POSITION_PCT="0.12")
    assert desk.load().risk.max_position_pct == D("0.12")
    assert desk.load().origin(name) == "ATLAS_RISK__MAX_POSITION_PCT"
    desk.overrides[name] = D("0.13")
    assert (desk.load().risk.max_position_pct, desk.load().origin(name)) == (
        D("0.13"),
        "command line",
    )


def test_a_named_file_is_read_in_place_of_the_one_in_the_working_directory(desk):
    desk.toml("[account]\nname = 'HERE'\n")
    other = desk.folder / "elsewhere"
    other.mkdir()
    (other / "my.toml").write_text("[account]\nname = 'THERE'\n")
    (other / ".env").write_text("ATLAS_STRATEGY__TOP_N=7\n")
    desk.dotenv("ATLAS_STRATEGY__TOP_N=8\n")
    settings = desk.load(Path("elsewhere/my.toml"))
    assert (settings.account.name, settings.strategy.top_n) == ("THERE", 7)
    assert settings.origin("account.name") == "elsewhere/my.toml"
    assert settings.config_path == other / "my.toml"


def test_a_toml_fraction_is_exact(desk):
    settings = desk.toml("[risk]\nmax_position_pct = 0.1\n[regime]\nlambda = 2\n").load()
    assert settings.risk.max_position_pct == D("0.1")
    assert settings.regime.lambda_ == D(2)


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        (
            "[risk]\nmax_position_pct = 1.5\n",
            "risk.max_position_pct = 1.5 (atlas.toml): must be a number, 0 < x <= 1",
        ),
        (
            "[account]\nmode = 'papr'\n",
            'account.mode = "papr" (atlas.toml): must be "local", "paper" or "live"',
        ),
        (
            "[rebalance]\nanchors = ['02-30']\n",
            'rebalance.anchors = ["02-30"] (atlas.toml): must be a list of days "MM-DD" '
            "that every year has, at most one in a month",
        ),
        (
            "[risk]\nmax_postion_pct = 0.1\n",
            "risk.max_postion_pct (atlas.toml): no such key; did you mean risk.max_position_pct?",
        ),
        (
            "[risk]\ntop_n = 5\n",
            "risk.top_n (atlas.toml): no such key; did you mean strategy.top_n?",
        ),
        ("[risks]\n", "[risks] (atlas.toml): no such section; did you mean risk?"),
        ("[zzz]\n", "[zzz] (atlas.toml): no such section"),
        (
            "top_n = 5\n",
            "top_n (atlas.toml): a key outside of any section; did you mean strategy.top_n?",
        ),
        (
            "[regime]\nlambda_ = 2\n",
            "regime.lambda_ (atlas.toml): no such key; did you mean regime.lambda?",
        ),
        ('["a\\nb"]\n', "[a\\nb] (atlas.toml): no such section"),
        ('[risk]\n"a\\nb" = 1\n', "risk.a\\nb (atlas.toml): no such key"),
        ("[rebalance]\nrounds = { a = 1 }\n", "rebalance.rounds = {...} (atlas.toml): must be "),
    ],
)
def test_a_mistake_in_the_file_is_named_with_its_key_and_what_is_allowed(desk, toml, said):
    assert refusal(desk.toml(toml)).startswith(said)


def test_an_unknown_key_s_value_is_not_shown_since_it_may_be_a_secret(desk):
    assert "hunter2" not in refusal(desk.toml("[account]\nsecret = 'hunter2'\n"))


@pytest.mark.parametrize(
    "text",
    [
        "[risk",
        "[risk]\na = \n",
        "[risk]\nrounds = 1\nrounds = 2\n",
        "[risk]\nx = 1e99999999999999999999\n",
        "\ufeff\ufeff[risk]",
    ],
)
def test_a_file_that_is_no_toml_is_named(desk, text):
    assert "atlas.toml: not valid TOML: " in refusal(desk.toml(text))


def test_a_file_of_other_bytes_is_named(desk):
    (desk.folder / "atlas.toml").write_bytes(b"\xff\xfe[\x00")
    assert "atlas.toml: not valid TOML: " in refusal(desk)


def test_a_missing_named_file_is_refused(desk):
    text = refusal(desk, config_path=Path("none.toml"))
    assert text.endswith("none.toml: cannot be read: No such file or directory")


def test_a_folder_in_place_of_the_file_is_refused(desk):
    assert "cannot be read: Is a directory" in refusal(desk, config_path=Path())


def test_a_file_is_named_in_full_to_one_who_stands_at_the_root(desk):
    path = desk.toml("[account]\nname = 'X'\n").folder / "atlas.toml"
    settings = load_settings(path, environ=desk.environ, cwd=Path("/"))
    assert settings.origin("account.name") == str(path)


def test_a_working_directory_that_cannot_be_looked_into_is_named(desk):
    with pytest.raises(ConfigError, match=r"atlas\.toml: cannot be read: File name too long"):
        load_settings(environ=desk.environ, cwd=desk.folder / ("x" * 300))


@pytest.mark.parametrize(
    ("variable", "text", "said"),
    [
        (
            "ATLAS_RISK__MAX_POSITION_PCT",
            "15%",
            'risk.max_position_pct = "15%" (ATLAS_RISK__MAX_POSITION_PCT): must be a number',
        ),
        (
            "ATLAS_RISK_MAX_POSITION_PCT",
            "0.1",
            "ATLAS_RISK_MAX_POSITION_PCT (environment): no such key; "
            "did you mean ATLAS_RISK__MAX_POSITION_PCT?",
        ),
        ("ATLAS_RISKS__ROUNDS", "1", "ATLAS_RISKS__ROUNDS (environment): no such key"),
        ("ATLAS_", "1", "ATLAS_ (environment): no such key"),
    ],
)
def test_a_mistake_in_a_variable_is_named(desk, variable, text, said):
    assert refusal(desk.env(**{variable: text})).startswith(said)


def test_other_programs_variables_are_left_alone(desk):
    desk.env(ATLASSIAN_TOKEN="x", PATH="/bin").dotenv("OTHER=1\nALPACA_LARGE_KEY=PK1\n")
    assert desk.load().account.name == "LARGE"


def test_s181_a_secret_address_is_never_shown(desk):
    hook = "https://hooks.example/T0/very-secret"
    settings = desk.env(ATLAS_NOTIFY__WEBHOOK_URL=hook).load()
    assert settings.notify.webhook_url == hook
    listed = {item.name: item.value for item in settings.items()}
    assert listed["notify.webhook_url"] == "****"
    assert "very-secret" not in repr(settings)
    assert "very-secret" not in refusal(desk.env(ATLAS_NOTIFY__WEBHOOK_URL="very-secret"))


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ("A=1", "1"),
        ("  A = 1  ", "1"),
        ("export A=1", "1"),
        ("A=", ""),
        ("A=a b # why", "a b"),
        ("A=a#b", "a#b"),
        ("A= # nothing", ""),
        ("A='a # \"b\" \\n'", 'a # "b" \\n'),
        ('A="a # b" # why', "a # b"),
        ('A="a\\"b\\\\c\\n"', 'a"b\\c\n'),
        ("A=k=v", "k=v"),
        ("A=x\r", "x"),
    ],
)
def test_a_line_of_dotenv_is_read_as_shells_do(tmp_path, row, text):
    (tmp_path / ".env").write_text(f"# first\n\n{row}\n", newline="")
    (line,) = read_dotenv(tmp_path / ".env")
    assert (line.name, line.text, line.number) == ("A", text, 3)


@pytest.mark.parametrize("row", ["SECRET", "=SECRET", "A B=SECRET", "A='SECRET", 'A="SECRET" x'])
def test_s181_a_broken_line_of_dotenv_is_named_by_number_and_not_shown(tmp_path, row):
    (tmp_path / ".env").write_text(f"B=1\n{row}\n")
    with pytest.raises(ConfigError, match=r"\.env:2: not a line of the form KEY=VALUE") as caught:
        read_dotenv(tmp_path / ".env")
    assert "SECRET" not in str(caught.value)


def test_a_name_given_twice_in_dotenv_is_refused(tmp_path):
    (tmp_path / ".env").write_text("A=1\nB=2\nA=3\n")
    with pytest.raises(ConfigError, match=r"\.env:3: A was already given in line 1"):
        read_dotenv(tmp_path / ".env")


def test_a_dotenv_that_is_a_folder_is_refused(desk):
    (desk.folder / ".env").mkdir()
    assert ".env: cannot be read: Is a directory" in refusal(desk)
