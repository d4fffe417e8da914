"""The same stories with real money: a live account, whose certificate expires amid the slot.

A real certificate lies in the state folder, sealed as `atlasd promote` does it; a person renews it
while the story goes on. Only this world may call itself live: nothing leaves it.
"""

import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from atlas_daemon.config import Credentials
from atlas_daemon.promoter.certificate import (
    bearer_of,
    certificate_path,
    document_of,
    sealed,
    write_certificate,
)
from tests.simulation.broker import NUMBER
from tests.simulation.scenario import Scenario
from tests.simulation.scene import EPOCH, SIGNAL_DAY

DAY = timedelta(days=1)


class LiveScenario(Scenario):
    """One seed on a live account."""

    credentials = Credentials("AKSIMULATED", "not-a-secret", "simulation")

    def __init__(self, seed: int, folder: Path, **more: Any) -> None:
        super().__init__(seed, folder, **more)
        draw = random.Random(f"certificate/{seed}")
        self.ends_at = EPOCH + timedelta(seconds=draw.uniform(31.5, 39.0))
        """Where nothing is in the way orders leave from second 32 to 40."""
        self.is_renewed = False
        (folder / "regime.json").write_text(
            json.dumps({"regime": self.scene.regime, "as_of": f"{SIGNAL_DAY}"})
        )
        self._write(self.ends_at)
        self.watch.is_certified = self._is_certified
        self.timeline.after(draw.choice((60.0, 120.0, 300.0)), self._renew)

    def manners(self) -> dict[str, object]:
        """Return what makes it live, and manages all so that the whole account is compared."""
        return {
            "account.mode": "live",
            "account.number": NUMBER,
            "account.manage": "all",
            "regime.source": "file:regime.json",
        }

    def _is_certified(self, now: datetime) -> bool:
        return self.is_renewed or now < self.ends_at

    def _renew(self) -> None:
        self._write(EPOCH + 300 * DAY)
        self.is_renewed = True
        self.note("operator", "renews the certificate")

    def _write(self, ends_at: datetime) -> None:
        path, issued_at = certificate_path(self.settings), EPOCH - DAY
        path.parent.mkdir(parents=True, exist_ok=True)
        bearer = bearer_of(self.settings, self.credentials.secret)
        document = document_of(bearer, issued_at, ends_at - issued_at, {"evidence": "simulated"})
        write_certificate(path, sealed(document, bearer))
