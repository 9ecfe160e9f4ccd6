"""What is missing or broken is named where the user looks, and comes right by itself once it is repaired."""

import pytest

from e2e.support.clients import call, connected, tool_names
from e2e.support.kube import backend, condition
from e2e.support.manifests import entry, group, server, vmcp
from tests.support.certificates import CA_CERTIFICATE


@pytest.mark.scenario("K-7")
def test_a_missing_group_is_named_and_creating_it_is_all_it_takes(kube):
    kube.apply(vmcp("early", "later"))
    failed = kube.until_phase("virtualmcpserver/early", "Failed")
    assert condition(failed, "GroupRefValidated")["status"] == "False"
    assert condition(failed, "GroupRefValidated")["reason"] == "GroupNotFound"
    assert condition(failed, "Ready")["status"] == "False"
    assert "'later'" in failed["status"]["message"]
    assert "create it" in failed["status"]["message"]
    assert not kube.exists("deployment/vmcp-early")

    kube.apply(group("later"))
    ready = kube.until_phase("virtualmcpserver/early", "Ready")
    assert condition(ready, "GroupRefValidated")["status"] == "True"
    assert ready["metadata"]["generation"] == failed["metadata"]["generation"]


@pytest.mark.scenario("K-7")
def test_an_endpoint_whose_group_is_deleted_fails_stale(kube):
    kube.apply(group("shortlived"), server("kept", group="shortlived"), vmcp("stale", "shortlived"))
    kube.until_phase("virtualmcpserver/stale", "Ready")
    kube.delete("mcpgroup/shortlived")
    failed = kube.until_phase("virtualmcpserver/stale", "Failed")
    assert "keep the last good config" in failed["status"]["message"]
    assert kube.get("deployment/vmcp-stale")["status"]["readyReplicas"] == 1
    kube.apply(group("shortlived"))
    kube.until_phase("virtualmcpserver/stale", "Ready")
    kube.delete("virtualmcpserver/stale")


@pytest.mark.scenario("K-9")
async def test_an_unreachable_backend_is_named_the_others_are_served_and_repair_is_seen(kube):
    url = f"http://mcp-absent.{kube.namespace}.svc:8080/mcp"
    kube.apply(group(), server("present"), entry("remote", url), vmcp("mixed"))
    # The server's pod needs a moment to start.
    degraded = kube.until("virtualmcpserver/mixed", lambda live: backend(live, "present").get("status") == "ready")
    assert degraded["status"]["phase"] == "Degraded"
    assert backend(degraded, "remote")["status"] == "unavailable"
    assert backend(degraded, "remote")["message"]
    assert "remote: " in degraded["status"]["message"]
    assert condition(degraded, "BackendsReady")["message"] == "not served: remote"
    assert condition(degraded, "Ready")["status"] == "True"
    async with connected(degraded["status"]["url"]) as (client, _):
        assert "present_add" in await tool_names(client)
        assert await call(client, "present_add", a=1, b=1) == "2"

    kube.apply(server("absent", group=None))
    ready = kube.until_phase("virtualmcpserver/mixed", "Ready")
    assert ready["status"]["backendSummary"] == "2/2"
    async with connected(ready["status"]["url"]) as (client, _):
        assert await call(client, "remote_add", a=1, b=2) == "3"


@pytest.mark.scenario("K-8")
def test_an_image_that_cannot_be_pulled_is_told_by_the_server_and_by_the_endpoint(kube):
    image = "127.0.0.1:1/nowhere:1"
    kube.apply(group("pulls"), server("broken", group="pulls", image=image), vmcp("pulling", "pulls"))
    failed = kube.until_phase("mcpserver/broken", "Failed")
    assert condition(failed, "DeploymentAvailable")["reason"] == "ImagePullFailed"
    assert image in failed["status"]["message"]
    assert "correct the image" in failed["status"]["message"]
    degraded = kube.until_phase("virtualmcpserver/pulling", "Degraded")
    assert backend(degraded, "broken")["status"] == "unavailable"

    kube.apply(server("broken", group="pulls"))
    kube.until_phase("mcpserver/broken", "Ready")
    kube.until_phase("virtualmcpserver/pulling", "Ready")


@pytest.mark.scenario("K-8")
def test_a_pod_template_that_the_api_server_refuses_fails_with_its_words_and_recovers(kube):
    kube.apply(group("templates"), vmcp("templated", "templates"))
    kube.until_phase("virtualmcpserver/templated", "Ready")
    container = {"name": "vmcp", "imagePullPolicy": "Sometimes"}
    kube.patch("virtualmcpserver/templated", {"spec": {"podTemplateSpec": {"spec": {"containers": [container]}}}})
    failed = kube.until_phase("virtualmcpserver/templated", "Failed")
    assert condition(failed, "PodTemplateSpecValid")["status"] == "False"
    assert "Sometimes" in failed["status"]["message"]
    assert kube.get("deployment/vmcp-templated")["status"]["readyReplicas"] == 1
    kube.patch("virtualmcpserver/templated", {"spec": {"podTemplateSpec": None}})
    kube.until_phase("virtualmcpserver/templated", "Ready")


@pytest.mark.scenario("K-7")
def test_an_entry_that_its_ca_bundle_or_its_name_keeps_from_being_served_says_so_until_that_is_mended(kube):
    bundle = {"configMapRef": {"name": "roots"}}
    kube.apply(group("refused"), entry("trusting", "https://docs.example.com/mcp", "refused", caBundleRef=bundle))
    kube.apply({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "roots"}, "data": {"ca.crt": "no PEM"}})
    failed = kube.until(
        "mcpserverentry/trusting", lambda live: "usable PEM" in live.get("status", {}).get("message", "")
    )
    assert failed["status"]["phase"] == "Failed"
    kube.patch("configmap/roots", {"data": {"ca.crt": CA_CERTIFICATE}})
    kube.until_phase("mcpserverentry/trusting", "Valid")

    kube.apply(server("trusting", group="refused"))
    clashing = kube.until_phase("mcpserverentry/trusting", "Failed")
    assert "an MCPServer of the same name is in the group" in clashing["status"]["message"]
    kube.delete("mcpserver/trusting")
    kube.until_phase("mcpserverentry/trusting", "Valid")
