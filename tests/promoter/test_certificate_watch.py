"""The watch over the certificate: told at once, told anew where something is so, and not else."""

import os
from datetime import timedelta

import pytest

from atlas_daemon.promoter.certificate_watch import TELLS_AGAIN, CertificateWatch
from tests.promoter.wallet import CODE, NOW, SECRET, certified, settings_in

BEAT = timedelta(seconds=1)


class Daemon:
    """What the daemon does with the watch: a look at each beat; the core knows what it heard."""

    def __init__(self, settings, at=NOW):
        self.watch, self.at, self.known = CertificateWatch(settings, SECRET, CODE), at, None

    def beat(self, seconds=1.0, *, is_heard=True):
        """Return the gates that were told in this beat."""
        self.at += timedelta(seconds=seconds)
        told = list(self.watch.look(self.at, self.known))
        if told and is_heard:
            self.known = told[-1]
        return [word.problem.partition(":")[0] for word in told]


@pytest.fixture
def live(tmp_path):
    return settings_in(tmp_path)


@pytest.mark.parametrize("mode", ["paper", "local"])
def test_paper_and_local_have_none_to_watch(tmp_path, mode):
    assert Daemon(settings_in(tmp_path, mode)).beat() == []


def test_each_thing_is_told_once(live):
    daemon = Daemon(live)
    assert daemon.beat() == ["missing"]
    assert daemon.beat() == []
    certified(live)
    assert daemon.beat() == [""]
    assert daemon.beat() == []
    (live.state_dir / "certificate.json").write_bytes(b"{}")
    assert daemon.beat() == ["damaged"]
    certified(live)
    assert daemon.beat() == [""]


def test_an_edit_that_keeps_size_and_time_is_seen(live):
    path = certified(live)
    daemon = Daemon(live)
    assert daemon.beat() == [""]
    before = path.stat()
    raw = bytearray(path.read_bytes())
    raw[40] ^= 1
    with path.open("r+b") as file:
        file.write(raw)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert daemon.beat() != []


def test_the_clock_alone_ends_it(live):
    certified(live, days=1)
    daemon = Daemon(live)
    assert daemon.beat() == [""]
    assert daemon.beat(86_390) == []
    assert daemon.beat(10) == ["expired"]
    assert daemon.beat() == []


def test_a_clock_that_is_set_back_is_told_once_and_taken_back_when_it_is_right(live):
    certified(live)
    daemon = Daemon(live)
    assert daemon.beat() == [""]
    assert daemon.beat(-3600) == ["clock set back"]
    assert daemon.beat(120) == []
    assert daemon.beat(3600) == [""]


def test_what_the_core_has_forgotten_is_told_again(live):
    certified(live)
    daemon = Daemon(live)
    daemon.beat()
    daemon.known = None
    assert daemon.beat(TELLS_AGAIN.total_seconds()) == [""]


def test_what_waits_for_its_turn_is_not_told_at_each_beat(live):
    certified(live)
    daemon = Daemon(live)
    told = [daemon.beat(is_heard=False) for _ in range(11)]
    assert [beat for beat, words in enumerate(told) if words] == [0, 5, 10]


def test_another_configuration_is_measured_from_the_next_look_on(live, tmp_path):
    certified(live)
    daemon = Daemon(live)
    assert daemon.beat() == [""]
    daemon.watch.follow(settings_in(tmp_path, **{"strategy.top_n": 3}))
    assert daemon.beat() == ["other sections"]
    daemon.watch.follow(live)
    assert daemon.beat() == [""]
