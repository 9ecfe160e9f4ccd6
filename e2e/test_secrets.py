"""Secrets: rotated without a roll, read by pods alone."""

import asyncio

import pytest

from e2e.cluster import ClusterError
from e2e.support.clients import connected, shown_headers, until
from e2e.support.installation import RELEASE, SYSTEM
from e2e.support.kube import condition
from e2e.support.manifests import group, secret, server, vmcp

PODS = "app.kubernetes.io/name=vmcp"
FIRST, SECOND = "token-before-its-rotation", "token-after-its-rotation"
OPERATOR = f"system:serviceaccount:{SYSTEM}:{RELEASE}"
KUBELET_SECONDS = 120.0
"""A kubelet looks at a pod's volumes when it syncs the pod, on top of that its own cache of Secrets."""


def pods(kube):
    return {pod["metadata"]["uid"] for pod in kube.list("pods", PODS)}


@pytest.fixture(scope="module")
def endpoint(kube):
    """A backend that wants a header whose value lies in a Secret."""
    forward = {"addHeadersFromSecret": [{"headerName": "X-Token", "valueSecretRef": {"name": "token", "key": "value"}}]}
    kube.apply(secret("token", value=FIRST), group(), server("headers", "headers", headerForward=forward))
    kube.apply(vmcp("one"))
    return kube.until_phase("virtualmcpserver/one", "Ready")


@pytest.mark.scenario("K-11")
async def test_a_rotated_secret_reaches_the_backend_without_a_roll(kube, endpoint):
    before = pods(kube)
    async with connected(endpoint["status"]["url"]) as (client, _):

        async def token():
            return (await shown_headers(client, "headers_show_headers")).get("x-token")

        assert await token() == FIRST
        await asyncio.to_thread(kube.apply, secret("token", value=SECOND))

        async def is_rotated():
            return await token() == SECOND

        await until(is_rotated, KUBELET_SECONDS)
    assert pods(kube) == before


@pytest.mark.scenario("K-11")
def test_a_value_of_a_secret_stands_in_nothing_that_the_operator_writes(kube, endpoint):
    for kind in ("configmaps", "deployments", "virtualmcpservers", "mcpservers", "events"):
        shown = kube.kubectl("get", kind, "--output=yaml")
        assert FIRST not in shown
        assert SECOND not in shown


@pytest.mark.scenario("K-7", "K-11")
def test_a_missing_secret_is_named_and_creating_it_is_all_it_takes(kube):
    source = {"name": "absent", "key": "value"}
    forward = {"addHeadersFromSecret": [{"headerName": "X-Token", "valueSecretRef": source}]}
    kube.apply(group("lacking"), server("lacks", "headers", group="lacking", headerForward=forward))
    kube.apply(vmcp("lacking", "lacking"))
    degraded = kube.until_phase("virtualmcpserver/lacking", "Degraded")
    configured = condition(degraded, "AuthConfigured")
    assert (configured["status"], configured["reason"]) == ("False", "SecretNotFound")
    assert "absent" in configured["message"]
    kube.apply(secret("absent", value="there"))
    ready = kube.until_phase("virtualmcpserver/lacking", "Ready", KUBELET_SECONDS)
    assert condition(ready, "AuthConfigured")["status"] == "True"


@pytest.mark.scenario("K-11")
@pytest.mark.parametrize("verb", ["get", "list", "watch", "update", "patch", "delete", "deletecollection"])
def test_the_operator_may_not_touch_a_secret(kube, verb):
    assert can(kube, verb, "secrets") == "no"


@pytest.mark.scenario("K-11")
def test_the_operator_may_create_secrets_and_may_do_its_work(kube):
    assert can(kube, "create", "secrets") == "yes"
    assert can(kube, "patch", "deployments.apps") == "yes"
    assert can(kube, "create", "pods") == "no"
    assert can(kube, "create", "pods", "--subresource=exec") == "no"


def can(kube, verb, resource, *options):
    """What `kubectl auth can-i` says of the operator's service account; it fails where it says no."""
    try:
        return kube.kubectl("auth", "can-i", verb, resource, f"--as={OPERATOR}", *options).strip()
    except ClusterError as error:
        return str(error).splitlines()[-1]
