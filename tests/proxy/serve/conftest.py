"""A world for each test."""

import pytest

from tests.proxy.serve.harness import World


@pytest.fixture
def world():
    return World()
