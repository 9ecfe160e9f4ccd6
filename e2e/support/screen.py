"""Shows what a long fixture prints while it works."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def on_screen(config: pytest.Config) -> Iterator[None]:
    """What is printed inside appears at once; pytest would keep it until the test has ended, and then drop it."""
    with config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print()
        yield
