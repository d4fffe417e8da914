"""Keys are found in one of three places, fit the mode, and are never shown."""

import pytest

from atlas_daemon.config import find_credentials, load_credentials
from atlas_daemon.core.errors import ConfigError
from atlas_daemon.core.values import AccountMode

KEY, SECRET = "PKTESTTESTTESTTEST01", "s3cr3ts3cr3ts3cr3t"


def load(desk):
    return load_credentials(desk.load(), desk.environ)


def refusal(desk):
    with pytest.raises(ConfigError) as caught:
        load(desk)
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert SECRET not in text
    assert KEY not in text
    return text


def test_keys_come_from_the_environment(desk):
    found = load(desk.env(ALPACA_LARGE_KEY=KEY, ALPACA_LARGE_SECRET=SECRET))
    assert (found.key_id, found.secret, found.source) == (KEY, SECRET, "environment")


def test_keys_come_from_dotenv_beside_the_configuration(desk):
    found = load(desk.dotenv(f"ALPACA_LARGE_KEY={KEY}\nALPACA_LARGE_SECRET='{SECRET}'\n"))
    assert (found.key_id, found.secret) == (KEY, SECRET)
    assert found.source.endswith("/.env")


@pytest.mark.parametrize("spelled", [str.lower, str.upper])
def test_keys_come_from_systemd_credentials(desk, tmp_path, spelled):
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / spelled("ALPACA_LARGE_KEY")).write_text(KEY + "\n")
    (folder / spelled("ALPACA_LARGE_SECRET")).write_text(SECRET + "\n")
    found = load(desk.env(CREDENTIALS_DIRECTORY=str(folder)))
    assert (found.key_id, found.secret, found.source) == (KEY, SECRET, str(folder))


@pytest.mark.parametrize("spelled", ["large_key", "alpaca_large_key"])
def test_what_systemd_hands_to_the_daemon_is_found_by_its_owner_s_commands(desk, spelled):
    folder = desk.folder / "credentials"
    folder.mkdir()
    (folder / spelled).write_text(KEY + "\n")
    (folder / spelled.replace("key", "secret")).write_text(SECRET + "\n")
    found = load(desk.env())
    assert (found.key_id, found.secret, found.source) == (KEY, SECRET, str(folder))


def test_the_environment_wins_over_dotenv_as_a_pair(desk):
    desk.dotenv("ALPACA_LARGE_KEY=PKOLD\nALPACA_LARGE_SECRET=old\n")
    found = load(desk.env(ALPACA_LARGE_KEY=KEY, ALPACA_LARGE_SECRET=SECRET))
    assert (found.key_id, found.secret) == (KEY, SECRET)


def test_half_a_pair_is_refused_and_not_completed_from_another_source(desk):
    desk.dotenv(f"ALPACA_LARGE_KEY=PKOLD\nALPACA_LARGE_SECRET={SECRET}\n")
    text = refusal(desk.env(ALPACA_LARGE_KEY=KEY))
    assert text == "ALPACA_LARGE_SECRET is missing: environment has only ALPACA_LARGE_KEY"


def test_the_account_s_name_names_the_variables(desk):
    desk.toml('[account]\nname = "small"\n')
    found = load(desk.env(ALPACA_SMALL_KEY=KEY, ALPACA_SMALL_SECRET=SECRET))
    assert found.key_id == KEY


def test_missing_keys_are_refused_naming_the_variables_and_places(desk):
    text = refusal(desk.env(ALPACA_LARGE_KEY="", ALPACA_LARGE_SECRET=""))
    for word in ("ALPACA_LARGE_KEY", "ALPACA_LARGE_SECRET", ".env", "alpaca_large_key"):
        assert word in text


def test_local_mode_needs_no_keys_but_takes_given_ones(desk):
    desk.toml('[account]\nmode = "local"\n')
    assert load(desk).key_id == "PKLOCAL00000000000000"
    assert load(desk).secret == "local-secret"
    found = load(desk.env(ALPACA_LARGE_KEY="anything", ALPACA_LARGE_SECRET=SECRET))
    assert found.key_id == "anything"


def test_s178_a_live_key_in_paper_mode_is_refused(desk):
    text = refusal(desk.env(ALPACA_LARGE_KEY="AK" + KEY[2:], ALPACA_LARGE_SECRET=SECRET))
    assert text.startswith("ALPACA_LARGE_KEY (environment) begins with AK")
    assert 'account.mode = "paper" (default)' in text


def test_s178_a_paper_key_in_live_mode_is_refused(desk):
    desk.toml('[account]\nmode = "live"\nname = "LIVE"\nnumber = "1"\n')
    text = refusal(desk.env(ALPACA_LIVE_KEY=KEY, ALPACA_LIVE_SECRET=SECRET))
    assert text.startswith("ALPACA_LIVE_KEY (environment) begins with PK")


@pytest.mark.parametrize("bad", [SECRET + "\nX-Evil: 1", SECRET + " x", "ü" + SECRET, "x" * 201])
def test_s181_a_secret_that_fits_no_header_is_refused_unseen(desk, bad):
    text = refusal(desk.env(ALPACA_LARGE_KEY=KEY, ALPACA_LARGE_SECRET=bad))
    assert text.startswith("ALPACA_LARGE_SECRET (environment): must be ")


def test_an_empty_credential_counts_as_missing(desk, tmp_path):
    (tmp_path / "c").mkdir()
    (tmp_path / "c" / "alpaca_large_key").write_text(KEY)
    (tmp_path / "c" / "alpaca_large_secret").write_text("\n")
    text = refusal(desk.env(CREDENTIALS_DIRECTORY=str(tmp_path / "c")))
    assert text.startswith("ALPACA_LARGE_SECRET is missing")


def test_an_unreadable_credential_is_refused(desk, tmp_path):
    (tmp_path / "c" / "alpaca_large_key").mkdir(parents=True)
    text = refusal(desk.env(CREDENTIALS_DIRECTORY=str(tmp_path / "c")))
    assert "alpaca_large_key: cannot be read" in text


def test_s181_a_repr_shows_neither_key_nor_secret(desk):
    text = repr(load(desk.env(ALPACA_LARGE_KEY=KEY, ALPACA_LARGE_SECRET=SECRET)))
    assert KEY not in text
    assert SECRET not in text


def test_keys_are_found_without_whole_settings_for_the_day_the_configuration_is_broken(tmp_path):
    environ = {"ALPACA_LARGE_KEY": KEY, "ALPACA_LARGE_SECRET": SECRET}
    found = find_credentials("large", AccountMode.PAPER, tmp_path / ".env", environ)
    assert found.key_id == KEY
