"""The order of these tests: tier C waits more than it works, tier B is one long test: first."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    first = ("test_tier_c", "test_tier_b")
    items.sort(key=lambda item: next((n for n, x in enumerate(first) if x in item.nodeid), 2))
