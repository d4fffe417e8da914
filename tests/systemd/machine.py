"""A machine as its owner sees it: /etc/atlas, the units, `atlasd` typed in a shell."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atlas_daemon.control import ask
from tests.systemd.lab import Lab

PROGRAM = "/opt/atlas/.venv/bin/atlasd"
UNIT = "atlas.service"
CLEAN = """
systemctl stop --no-block 'atlas*.service'
looks=400
while [ -n "$(systemctl list-units -q --state=active,activating,deactivating,reloading 'atlas*')" ]
do
  [ $((looks -= 1)) -gt 0 ] || { echo "it does not end" >&2; exit 1; }
  systemctl kill --signal=KILL 'atlas*.service' 2> /dev/null
  sleep 0.05
done
rm -rf /etc/atlas* /var/lib/private/atlas* /var/lib/atlas* /var/log/private/atlas* /var/log/atlas*
for unit in /run/systemd/system/atlas*; do
  [ ! -e "$unit" ] || { rm -rf /run/systemd/system/atlas*; systemctl daemon-reload; break; }
done
systemctl reset-failed 'atlas*' 2> /dev/null || true
"""
"""One shell for all of it: each step by itself costs more to start than to do."""
KEY_ID, SECRET = "PKLABLABLABLABLABLAB", "the-secret-of-the-lab"


@dataclass
class Machine:
    """The lab with a configuration. The same keys are in atlas.toml as in a real one."""

    lab: Lab

    def configure(
        self, folder: str = "/etc/atlas", *, account: str = "large", **changes: object
    ) -> None:
        """Write a configuration and keys; `section__key=value` sets a key."""
        names = {"paths.state_dir": "lib", "paths.log_dir": "log", "paths.runtime_dir": ""}
        home = folder.removeprefix("/etc/").replace("/", "-")
        keys: dict[str, object] = {"dashboard.port": 0, "account.name": account.upper()}
        keys |= {
            name: f"/var/{place}/{home}" if place else f"/run/{home}"
            for name, place in names.items()
        }
        keys |= {name.replace("__", "."): value for name, value in changes.items()}
        place = self.lab.path(folder)
        (place / "credentials").mkdir(parents=True, exist_ok=True)
        (place / "credentials").chmod(0o700)
        lines = (f"{name} = {json.dumps(value)}\n" for name, value in keys.items())
        (place / "atlas.toml").write_text("".join(lines))
        for name, text in ((f"{account}_key", KEY_ID), (f"{account}_secret", SECRET)):
            file = place / "credentials" / name
            file.write_text(f"{text}\n")
            file.chmod(0o600)

    def at_broker(self, url: str, folder: str = "/etc/atlas", **changes: object) -> None:
        """Write a configuration for a local broker, which takes its own keys."""
        local: Mapping[str, object] = {
            "account__mode": "local",
            "broker__trading_url": url,
            "regime__source": "fixed:TREND_BULL",
        }
        self.configure(folder, **{**local, **changes})
        for file in (self.lab.path(folder) / "credentials").iterdir():
            file.unlink()

    def drop_in(self, unit: str = UNIT, **settings: str) -> None:
        """Set keys of a unit until the test's end."""
        folder = self.lab.path(f"/run/systemd/system/{unit}.d")
        folder.mkdir(parents=True, exist_ok=True)
        limits = {k: settings.pop(k) for k in list(settings) if k.startswith(("Start", "On"))}
        text = "[Unit]\n" + "".join(f"{k}={v}\n" for k, v in limits.items())
        text += "[Service]\n" + "".join(f"{k}={v}\n" for k, v in settings.items())
        (folder / "test.conf").write_text(text)
        self.lab.systemctl("daemon-reload")

    def start(self, unit: str = UNIT, *, check: bool = True) -> int:
        """Start a unit and wait until it is ready; return systemctl's exit code."""
        started = self.lab.systemctl("start", unit, check=False)
        assert started.returncode == 0 or not check, self.lab.said(unit)[-4000:]
        return int(started.returncode)

    def atlasd(self, *words: str, folder: str = "/etc/atlas", check: bool = True) -> Any:
        """Type a command in root's shell."""
        return self.lab.run(
            PROGRAM, *words, "--config", f"{folder}/atlas.toml", check=check, timeout=60
        )

    def status(self, folder: str = "/etc/atlas") -> dict[str, Any]:
        """What the daemon says of itself, without a process in between."""
        home = folder.removeprefix("/etc/")
        return dict(ask(self.lab.path(f"/run/{home}/control.sock"), "status", timeout_s=10))

    def process(self, unit: str = UNIT) -> int:
        """The daemon's number within the lab; 0 where it does not run."""
        return int(self.lab.show(unit, "MainPID")["MainPID"])

    def kill(self, signal: str, unit: str = UNIT) -> None:
        self.lab.systemctl("kill", "--kill-whom=main", f"--signal={signal}", unit)

    def clean(self) -> None:
        """End everything at once, and forget it."""
        self.lab.run("sh", "-c", CLEAN)
