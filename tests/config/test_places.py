"""Every path is absolute, and systemd's folders replace defaults only."""

import pytest

from atlas_daemon.core.errors import ConfigError


def test_the_state_folder_is_named_after_mode_and_account(desk):
    settings = desk.load()
    assert str(settings.state_dir) == "/home/ada/.local/state/atlas/paper-LARGE"
    assert settings.log_dir == desk.folder / "logs"
    assert settings.runtime_dir == settings.state_dir / "run"


def test_s179_modes_and_accounts_never_share_a_default_state_folder(desk):
    folders = set()
    for mode in ("local", "paper", "live"):
        for name in ("LARGE", "SMALL"):
            desk.env(ATLAS_ACCOUNT__MODE=mode, ATLAS_ACCOUNT__NAME=name, ATLAS_ACCOUNT__NUMBER="1")
            folders.add(desk.load().state_dir)
    assert len(folders) == 6


def test_the_account_s_files_lie_in_its_state_folder(desk):
    settings = desk.env(ATLAS_PATHS__STATE_DIR="/s", ATLAS_PATHS__RUNTIME_DIR="/r").load()
    assert [
        str(path)
        for path in (
            settings.journal_path,
            settings.latch_path,
            settings.lock_path,
            settings.control_socket_path,
        )
    ] == ["/s/journal.db", "/s/HALTED", "/s/lock", "/r/control.sock"]


def test_systemd_s_folders_win_over_defaults(desk):
    desk.env(
        STATE_DIRECTORY="/var/lib/atlas:/var/lib/other",
        LOGS_DIRECTORY="/var/log/atlas",
        RUNTIME_DIRECTORY="/run/atlas",
    )
    settings = desk.load()
    assert str(settings.state_dir) == "/var/lib/atlas"
    assert str(settings.log_dir) == "/var/log/atlas"
    assert str(settings.control_socket_path) == "/run/atlas/control.sock"
    assert settings.origin("paths.state_dir") == "STATE_DIRECTORY"


def test_systemd_s_folders_do_not_win_over_what_somebody_has_set(desk):
    desk.toml('[paths]\nstate_dir = "/mine/{mode}"\n').env(STATE_DIRECTORY="/var/lib/atlas")
    settings = desk.load()
    assert str(settings.state_dir) == "/mine/paper"
    assert settings.origin("paths.state_dir") == "atlas.toml"
    assert settings.origin("paths.runtime_dir") == "follows paths.state_dir"


def test_a_relative_path_starts_from_the_file_it_stands_in(desk):
    folder = desk.folder / "etc"
    folder.mkdir()
    (folder / "a.toml").write_text(
        '[data]\nsource = "file:../bars.parquet"\n[paths]\nlog_dir = "log"\n'
    )
    settings = desk.env(ATLAS_STRATEGY__UNIVERSE="file:members.csv").load(folder / "a.toml")
    assert settings.data.source == f"file:{desk.folder / 'bars.parquet'}"
    assert settings.log_dir == folder / "log"
    assert settings.strategy.universe == f"file:{desk.folder / 'members.csv'}"


@pytest.mark.parametrize(
    ("key", "path"),
    [("state_dir", "/s/{number}"), ("state_dir", "/s/{"), ("log_dir", "~bob/logs")],
)
def test_a_path_that_means_nothing_is_refused(desk, key, path):
    with pytest.raises(ConfigError) as caught:
        desk.toml(f'[paths]\n{key} = "{path}"\n').load()
    assert str(caught.value).startswith(f'paths.{key} = "{path}" (atlas.toml): must be a path')


def test_a_home_that_nobody_knows_is_asked_for(desk):
    desk.environ.clear()
    with pytest.raises(ConfigError, match=r"paths\.state_dir .*HOME"):
        desk.load()


def test_a_control_socket_s_path_may_have_107_bytes_and_not_one_more(desk):
    folder = "/" + "r" * (107 - len("//control.sock"))
    settings = desk.env(ATLAS_PATHS__RUNTIME_DIR=folder).load()
    assert len(str(settings.control_socket_path)) == 107
    with pytest.raises(ConfigError, match=r"108 bytes .* set paths\.runtime_dir to a shorter"):
        desk.env(ATLAS_PATHS__RUNTIME_DIR=folder + "r").load()


def test_bytes_of_the_socket_s_path_count_and_not_letters(desk):
    with pytest.raises(ConfigError, match="107"):
        desk.env(ATLAS_PATHS__RUNTIME_DIR="/" + "ü" * 60).load()
