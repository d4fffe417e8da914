"""What the tests here share: the walks of this run and the documents, or a word why there are none.

Where a client cannot be installed a test is skipped and says so; in CI it fails.
"""

import os
from typing import NoReturn

import pytest

from tests.conformance import install
from tests.conformance.documents import Documents
from tests.conformance.report import all_deviations
from tests.conformance.walks import Walk, walked


def not_here(reason: str) -> NoReturn:
    """Skip visibly; in CI everything has to be there."""
    if os.environ.get("CI", "").lower() in ("true", "1"):
        pytest.fail(f"in CI nothing is left out: {reason}")
    pytest.skip(reason)


def walk_of(walks: dict[str, Walk], client: str) -> Walk:
    """Return a client's walk; skips (or fails) where the client is not to be had."""
    if walks[client].missing:
        not_here(f"{client}: {walks[client].missing}")
    return walks[client]


@pytest.fixture(scope="session")
def walks(tmp_path_factory) -> dict[str, Walk]:
    """Every walk, done once in a run, whichever test process needs it first."""
    folder = tmp_path_factory.getbasetemp()
    if os.environ.get("PYTEST_XDIST_WORKER"):
        folder = folder.parent
    return walked(folder)


@pytest.fixture(scope="session")
def documents() -> Documents:
    """Alpaca's published documents."""
    try:
        return Documents(install.documents())
    except install.NotHereError as error:
        not_here(str(error))


@pytest.fixture(scope="session")
def found(walks, documents) -> list[str]:
    """Every deviation of every answer from the documents."""
    return all_deviations(walks, documents)
