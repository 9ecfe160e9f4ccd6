"""`kubectl vmcp doctor` where a namespace has an operator of its own, and a backend is behind a bridge."""

import pytest

from e2e.support.installation import OPERATOR_CHART, RELEASE, operator_values
from e2e.support.kube import Kube, backend
from e2e.support.manifests import group, server, vmcp
from e2e.support.plugin import plugin_in

NARROW = "narrow"
OTHER = "e2e-doctor-operator"
DEPLOYMENT = f"deployment/{NARROW}-{RELEASE}"
ENDPOINT = "virtualmcpserver/one"


@pytest.fixture(scope="module")
def theirs(cluster, kube):
    """The namespace of a release that claims this module's, beside the one of the whole cluster, and takes stdio."""
    theirs = Kube(cluster, OTHER)
    theirs.create_namespace()
    settings = ("rbac.scope=namespace", f"rbac.namespaces={{{kube.namespace}}}", "stdio.enabled=true")
    options = (f"--namespace={OTHER}", "--wait", "--timeout=120s", *operator_values())
    cluster.helm("install", NARROW, str(OPERATOR_CHART), *options, *(f"--set={each}" for each in settings))
    yield theirs
    cluster.helm("uninstall", NARROW, f"--namespace={OTHER}", "--ignore-not-found", "--wait")
    theirs.delete_namespace()


@pytest.fixture(scope="module")
def endpoint(kube, theirs):
    kube.apply(group(), server("notes", transport="stdio", args=["notes", "stdio"]), vmcp("one"))
    return kube.until_phase(ENDPOINT, "Ready")


def is_well(kube):
    """What the doctor says, once that is nothing."""
    done = plugin_in(kube)("doctor", "one")
    return done.returncode == 0 and "nothing to mend" in done.stdout


@pytest.mark.scenario("K-28", "K-18")
def test_the_doctor_has_nothing_to_say_of_a_bridge_that_works(kube, endpoint):
    kube.until_so("a doctor with nothing to say", lambda: is_well(kube))


@pytest.mark.scenario("K-28", "K-18")
def test_the_doctor_follows_a_bridge_to_the_process_that_ends_and_to_what_it_said_last(kube, endpoint):
    kube.until_so("a doctor with nothing to say", lambda: is_well(kube))
    kube.apply(server("broken", transport="stdio", args=["no-such-server", "stdio"]))
    kube.until_phase("mcpserver/broken", "Failed")
    degraded = kube.until_phase(ENDPOINT, "Degraded")
    assert "ends again and again" in backend(degraded, "broken")["message"]
    last = "      the last line of its log: KeyError: 'no-such-server'\n"
    # At the moment of a restart there is no log of the run before.
    kube.until_so("the last line of the process", lambda: last in plugin_in(kube)("doctor", "one").stdout)
    done = plugin_in(kube)("doctor", "one")
    assert done.returncode == 1, done.stderr
    _, first, *causes = done.stdout.splitlines()
    assert first == " 1. [limits it] MCPServer broken: CrashLoop"
    assert "unable to retrieve" not in done.stdout
    assert "ends again and again with exit code 1" in causes[0]
    assert "      read its log with kubectl logs --previous" in causes
    # What the bridge says of itself is an effect, and no second thing to mend.
    assert not any(line.startswith(" 2. ") for line in causes), done.stdout
    kube.delete("mcpserver/broken")
    kube.until_so("a doctor with nothing to say", lambda: is_well(kube))


@pytest.mark.scenario("K-28", "K-25")
def test_the_doctor_asks_for_the_operator_to_which_the_namespace_was_left(cluster, kube, theirs, endpoint):
    theirs.kubectl("scale", DEPLOYMENT, "--replicas=0")
    theirs.until(DEPLOYMENT, lambda live: not live["status"].get("readyReplicas"))
    done = plugin_in(kube)("doctor", "one")
    assert done.returncode == 1, done.stderr
    assert " 1. " in done.stdout
    assert "the operator is not ready" in done.stdout
    assert f"kubectl -n {OTHER} logs {DEPLOYMENT.replace('deployment', 'deploy')}" in done.stdout
    # The one of the whole cluster takes the namespace over when the claim goes, and has its own say about stdio.
    cluster.helm("uninstall", NARROW, f"--namespace={OTHER}", "--wait")
    kube.until("mcpserver/notes", lambda live: "stdio.enabled" in live["status"].get("message", ""))
    done = plugin_in(kube)("doctor", "one")
    assert done.returncode == 1, done.stderr
    assert "set stdio.enabled=true" in done.stdout
    assert "the operator is not ready" not in done.stdout
