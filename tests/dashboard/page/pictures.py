"""Pictures of the page at moments that no demo stays in: `python -m tests.dashboard.page.pictures`.

A rebalance in the middle of its buys, and an account with real money on a phone; both are lives of
the real core in virtual time, so the pictures are the same each time and tell nobody's account.
"""

import sys
from pathlib import Path

from tests.dashboard.page.chromium import a_browser, a_window
from tests.dashboard.page.stand import a_stand
from tests.dashboard.page.test_page import a_view, live_view

FOLDER = Path(__file__).parents[3] / "docs" / "pictures"


def take(folder: Path) -> list[Path]:
    """Write the pictures into a folder, and return their paths."""
    wanted = {
        "dashboard-rebalance.png": (a_view("amid"), "dark", (1200, 900)),
        "dashboard-live-phone.png": (live_view(), "light", (390, 844)),
    }
    taken = []
    with a_browser() as browser, a_window(browser) as window:
        for name, (view, scheme, size) in wanted.items():
            with (
                a_stand(view) as stand,
                window.at(stand.url, scheme=scheme, size=size) as page,
            ):
                page.screenshot(path=folder / name)
            taken.append(folder / name)
    return taken


if __name__ == "__main__":
    for path in take(FOLDER):
        sys.stdout.write(f"{path} ({path.stat().st_size} bytes)\n")
