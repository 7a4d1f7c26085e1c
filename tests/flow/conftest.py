"""Fixtures: one server for a file's tests, or one of its own."""
import pytest

from skep import Server


@pytest.fixture(scope="module")
def server():
    with Server() as running:
        yield running


@pytest.fixture
def own_server():
    with Server() as running:
        yield running
