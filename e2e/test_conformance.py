"""The official conformance suite against pods of a cluster: one proxy alone, and two that share their sessions."""

import asyncio
import shutil

import pytest

from benchmarks.ports import free_port
from e2e.support.manifests import HEALTH, group, vmcp
from e2e.support.network import reachable
from e2e.support.replicas import REDIS, SHARED, is_complete
from e2e.support.suite_server import suite_server, suite_server_sources
from tests.conformance.installing import PLACE, installed, node
from tests.conformance.suite import LEGACY, MODERN, REVISIONS, Suite
from tests.conformance.table import PAGE, PODS, UNSCORED, Report, pods, section, word

RESULTS = PLACE / "results" / "cluster"
BACKEND = "fixture"
ENDPOINTS = dict(zip(PODS, ({}, SHARED), strict=True))


def for_suite(name, origin, **spec):
    """An endpoint as the suite expects a server: names as its backend has them, pages of its own origin let in."""
    aggregation = {"conflictResolution": "priority", "conflictResolutionConfig": {"priorityOrder": [BACKEND]}}
    config = {"operational": HEALTH, "aggregation": aggregation}
    return vmcp(name, config=config, allowedOrigins=[origin], **spec)


@pytest.fixture(scope="module")
def suite():
    """The suite as its lock file pins it; npm fetches it once."""

    async def find():
        modules = await installed()
        return Suite(await node(modules), modules)

    return asyncio.run(find())


@pytest.fixture(scope="module")
def ports():
    """Those of this machine by which the suite reaches the endpoints."""
    return {name: free_port() for name in ENDPOINTS}


@pytest.fixture(scope="module")
def urls(kube, ports):
    """The URLs of the endpoints within the cluster, each with all its pods ready."""
    kube.kubectl("apply", f"--filename={REDIS}")
    kube.apply(
        suite_server_sources(),
        group(),
        suite_server(BACKEND, "tools"),
        *(for_suite(name, f"http://127.0.0.1:{ports[name]}", **spec) for name, spec in ENDPOINTS.items()),
    )

    return {name: kube.until(f"virtualmcpserver/{name}", is_complete)["status"]["url"] for name in ENDPOINTS}


@pytest.fixture(scope="module")
def report(suite):
    """What was found so far."""
    shutil.rmtree(RESULTS, ignore_errors=True)
    return Report(scored={revision: suite.scored(revision) for revision in REVISIONS})


@pytest.mark.scenario("P-5", "P-6")
@pytest.mark.parametrize("name", ENDPOINTS)
@pytest.mark.parametrize("revision", [LEGACY, MODERN])
async def test_the_suite_passes_against_the_service_of_pods(suite, ports, urls, report, name, revision):
    async with reachable(urls[name], ports[name]) as url:
        found = await suite.judge_server(url, revision, RESULTS / name / revision)
    report.servers[name, revision] = found
    failing = {each: found[each].failures if each in found else "not run" for each in report.failing(name, revision)}
    assert not failing
    assert {each: word(found.get(each)) for each in UNSCORED[revision]} == before_one_backend(revision)


def before_one_backend(revision):
    """What the page says of the scenarios that do not count, of a proxy and its backend as processes of one machine."""
    rows = [line.strip("| ").split(" | ") for line in section(PAGE.read_text(), "unscored")]
    column = rows[0].index("one backend, in both eras")
    return {row[0].strip("`"): row[column] for row in rows if row[1] == revision}


def test_the_page_says_what_was_found(report, urls):
    assert section(PAGE.read_text(), "pods") == pods(report)
