"""One installation for the whole run, a namespace for each module, and a dump of the cluster for each failure."""

import re
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from e2e.cluster import Cluster
from e2e.support.installation import DUMPS, installed
from e2e.support.kube import Kube
from e2e.support.screen import on_screen
from e2e.support.settled import until_settled

TEST_SECONDS = 300
BOUNDED = frozenset({"cluster", "helm"})
"""Fixtures that may compile for many minutes."""

_CLUSTER = pytest.StashKey[Cluster]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test of a cluster waits for pods; building and starting it, or helm, is bounded by itself."""
    for item in items:
        if not BOUNDED.isdisjoint(getattr(item, "fixturenames", ())) and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TEST_SECONDS, func_only=True))


@pytest.fixture(scope="session")
def cluster(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """The cluster with both charts installed."""
    with ExitStack() as until_end:
        with on_screen(request.config):
            up = until_end.enter_context(installed())
        request.config.stash[_CLUSTER] = up
        yield up
        del request.config.stash[_CLUSTER]


@pytest.fixture(scope="module")
def kube(cluster: Cluster, request: pytest.FixtureRequest) -> Iterator[Kube]:
    """The module's own namespace."""
    name = request.module.__name__.rpartition("test_")[2].replace("_", "-")
    kube = Kube(cluster, f"e2e-{name}")
    kube.create_namespace()
    yield kube
    kube.delete_namespace()


@pytest.fixture(scope="module")
def unsettling(cluster: Cluster) -> Iterator[None]:
    """For a module that takes the API server away, or leaves much to delete: the next one finds a cluster at rest."""
    yield
    until_settled(cluster)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    outcome = yield
    cluster = item.config.stash.get(_CLUSTER, None)
    if outcome.get_result().failed and cluster is not None:
        cluster.dump(DUMPS / re.sub(r"[^A-Za-z0-9_.-]+", "-", item.name)[:120])
