"""The world with real money in it: a certificate that is read, expires, is taken away; a fence."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

from atlas_daemon.core import events as e
from atlas_daemon.core.certificate import why_uncertified
from atlas_daemon.core.policy import Policy
from atlas_daemon.core.values import AccountMode, Approved, Side

from .builders import OPEN, a_policy
from .world import World

YEAR = timedelta(days=365)
LIVE = a_policy(needs_certificate=True, scale=Decimal("0.25"))


def a_certificate(expires_at: datetime = OPEN + YEAR, problem: str = "", id_: str = "C1"):
    return e.CertificateReported(id_, expires_at, problem)


NONE = a_certificate(None, "there is none: run `atlasd promote`", "")


@dataclass
class LiveWorld(World):
    """Whoever reads the certificate tells of it at each start, and where it changed."""

    policy: Policy = LIVE
    mode: AccountMode = AccountMode.LIVE
    certificate: e.CertificateReported | None = field(default_factory=a_certificate)

    def boot(self) -> None:
        super().boot()
        if self.certificate is not None:
            self.hear(self.certificate)

    def put(self, certificate: e.CertificateReported) -> None:
        """Let another certificate lie there from now on."""
        self.certificate = certificate
        self.hear(certificate)

    def _submit(self, approved: Approved) -> None:
        draft, now = approved.draft, self.now + self.off
        why = why_uncertified(self.state, self.policy, now)
        if draft.side is Side.BUY and why:
            return self.hear(e.SubmitWithheld(draft.order_id, f"certificate: {why}"))
        return super()._submit(approved)

    def bought(self) -> list[str]:
        """The symbols that orders of ours bought."""
        return sorted({o.symbol for o in self.orders.values() if o.side is Side.BUY})


def a_live_world(**more) -> LiveWorld:
    world = LiveWorld(**more)
    world.boot()
    return world
