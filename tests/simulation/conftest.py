"""The order of these tests: tier C waits more than it works, so it begins first."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: "test_tier_c" not in item.nodeid)
