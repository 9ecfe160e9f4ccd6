"""One Keycloak for the run, and a realm for each module."""

from collections.abc import Iterator

import pytest

from benchmarks.ports import free_port
from e2e.keycloak.install import installed
from e2e.keycloak.launch import launch
from e2e.keycloak.server import Keycloak, Realm, running

TEST_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """To install and to start it is bounded by itself."""
    for item in items:
        if "keycloak" in getattr(item, "fixturenames", ()) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def keycloak(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keycloak]:
    """A server of the run's own, with nothing in it but its administrator."""
    start = launch(installed(), "127.0.0.1", free_port())
    with running(start, tmp_path_factory.mktemp("keycloak") / "log") as up:
        yield up


@pytest.fixture(scope="module")
def realm(keycloak: Keycloak, request: pytest.FixtureRequest) -> Realm:
    """The module's own users, clients and keys."""
    return keycloak.realm(request.module.__name__.rpartition("test_")[2].replace("_", "-"))
