"""What the doctor says of a live account's certificate."""

from datetime import UTC, date, datetime, timedelta

import pytest

from atlas_daemon.cli.asker import Asker
from atlas_daemon.cli.examination import NOBODY, Examination
from atlas_daemon.cli.todays_plan import child_brain
from atlas_daemon.config import Credentials
from atlas_daemon.core.events import CertificateReported
from atlas_daemon.core.findings import Level
from atlas_daemon.core.runs import Slot
from atlas_daemon.core.sessions import NYSE
from atlas_daemon.core.state import State
from atlas_daemon.doctor.on_certificate import on_certificate
from tests.promoter.wallet import SECRET, certified, settings_in

NOW = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)
DAY = timedelta(days=1)


def slot_on(day: date) -> Slot:
    session = NYSE.next_session(day)
    return Slot(f"{day:%Y-%m}", session, session.opens_at, session)


SLOT = slot_on(date(2027, 2, 1))


@pytest.mark.parametrize(
    ("days", "problem", "slot", "level", "said"),
    [
        (200, "", SLOT, Level.OK, "id counts until 2027-06-19 New York"),
        (20, "", None, Level.WARN, "20 days"),
        (40, "", SLOT, Level.RED, "ends before slot 2027-02 (2027-02-01)"),
        (200, "other code: of another", SLOT, Level.RED, "nothing is bought: other code"),
        (None, "missing: not there", SLOT, Level.RED, "nothing is bought: missing"),
        (None, "", SLOT, Level.RED, "names no day of its end"),
    ],
)
def test_a_certificate_is_judged_by_what_the_next_slot_needs(days, problem, slot, level, said):
    ends_at = None if days is None else NOW + days * DAY
    (found,) = on_certificate(CertificateReported("id", ends_at, problem), NOW, slot)
    assert (found.check, found.level) == ("certificate", level)
    assert said in found.text
    assert bool(found.advice) is (level is not Level.OK)


def test_it_holds_over_the_slot_it_reaches_the_close_of():
    for over, level in ((0, Level.OK), (-1, Level.RED)):
        ends_at = SLOT.session.closes_at + timedelta(seconds=over)
        (found,) = on_certificate(CertificateReported("id", ends_at, ""), NOW, SLOT)
        assert found.level is level


@pytest.mark.asyncio
@pytest.mark.parametrize(("mode", "found"), [("live", {"certificate": Level.RED}), ("paper", {})])
async def test_the_doctor_looks_for_it_where_the_account_is_live(tmp_path, mode, found):
    settings = settings_in(tmp_path, mode)
    if mode == "live":
        certified(settings, NOW, code="of another time")
    look = Examination(settings, {}, lambda: NOW, Asker(5), child_brain)
    look._keys = Credentials("AK", SECRET, "the test")
    await look._judge_time(NOBODY, State(now=NOW), NOW)
    seen = {x.check: x.level for x in look.chart.findings if x.check == "certificate"}
    assert seen == found
