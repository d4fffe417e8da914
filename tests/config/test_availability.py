"""A setting that would have to be ignored is refused, in one line that names it."""

import importlib.util

import pytest

from atlas_daemon.config import refuse_unavailable
from atlas_daemon.config.availability import NOT_YET
from atlas_daemon.core.errors import ConfigError
from tests.control.desk import settings_in

SECRET = "tgram://secret-token/42"


@pytest.mark.parametrize(("name", "value"), NOT_YET)
def test_what_is_not_carried_out_yet_is_refused_by_its_name(tmp_path, name, value) -> None:
    with pytest.raises(ConfigError, match=rf"{name} = {value}"):
        refuse_unavailable(settings_in(tmp_path, **{name.replace(".", "__"): value}))


def test_an_address_for_apprise_needs_apprise_and_is_not_shown(tmp_path, monkeypatch) -> None:
    settings = settings_in(tmp_path, notify__apprise_url=SECRET)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        ConfigError, match=r"notify\.apprise_url .*atlas-daemon\[notify\]"
    ) as raised:
        refuse_unavailable(settings)
    assert "secret-token" not in str(raised.value)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    refuse_unavailable(settings)


def test_everything_about_telling_people_is_carried_out(tmp_path) -> None:
    refuse_unavailable(
        settings_in(
            tmp_path,
            notify__webhook_url="https://ntfy.sh/topic",
            notify__healthcheck_url="https://hc-ping.com/1",
            notify__daily=True,
        )
    )
