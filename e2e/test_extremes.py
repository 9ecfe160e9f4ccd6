"""Names and texts at and beyond what Kubernetes takes: refused at admission with the place, or they run."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.cluster import ClusterError
from e2e.support.kube import condition
from e2e.support.manifests import group, server, vmcp
from tests.api.manifests import manifest
from vmcp_api.generate.crds import build_crd
from vmcp_api.kinds import KINDS
from vmcp_api.naming import MAX_MEMBER_NAME, MAX_SERVER_NAME, MAX_VMCP_NAME

LONGEST = {"VirtualMCPServer": MAX_VMCP_NAME, "MCPServer": MAX_SERVER_NAME, "MCPServerEntry": MAX_MEMBER_NAME}
SUBDOMAIN = 253
NO_NAMES = (
    "Ünïcode",
    "名前",
    "🐍",
    "UPPER",
    "under_score",
    "-dash",
    "dash-",
    "two..dots",
    "a b",
    "a/b",
    "a\u200bb",
    "a\nb",
)
BATCH, TEXTS = 400_000, 16
"""Bytes and texts of one request: the API server takes three million bytes, and the end of a long refusal is kept."""

LARGE, LARGE_TEXT = 150, 8000
"""Descriptions that a resource may hold, and no ConfigMap: that ends at 1 MiB."""


def refusal(kube, wanted: dict[str, Any]) -> str:
    """What the API server says of a manifest that it would not take; empty where it would."""
    wanted["metadata"]["namespace"] = kube.namespace
    try:
        kube.kubectl("create", "--dry-run=server", "--filename=-", stdin=json.dumps(wanted))
    except ClusterError as error:
        return str(error)
    return ""


@pytest.mark.scenario("K-20")
@pytest.mark.parametrize("kind", KINDS)
def test_a_name_that_is_no_name_is_refused_and_the_longest_one_is_taken(kube, kind):
    longest = LONGEST.get(kind, SUBDOMAIN)
    for name in NO_NAMES:
        said = refusal(kube, manifest(kind, name))
        assert any(words in said for words in ("RFC 1123", "may not contain '/'")), (name, said)
    assert refusal(kube, manifest(kind, "a" * longest)) == ""
    said = refusal(kube, manifest(kind, "a" * (longest + 1)))
    assert f"at most {longest} characters" in said or f"no more than {SUBDOMAIN}" in said


Path = tuple[str, ...]


def texts(schema: dict[str, Any], path: Path = ()) -> Iterator[tuple[Path, int]]:
    """Every bounded text of a schema by its path; `[]` is an item, `*` an entry of a map."""
    if schema.get("type") == "string" and "maxLength" in schema and "enum" not in schema:
        yield path, schema["maxLength"]
    for name, part in schema.get("properties", {}).items():
        yield from texts(part, (*path, name))
    if "items" in schema:
        yield from texts(schema["items"], (*path, "[]"))
    if isinstance(schema.get("additionalProperties"), dict):
        yield from texts(schema["additionalProperties"], (*path, "*"))


def put(document: Any, path: Path, value: str) -> Any:
    """The document with a value at a path."""
    if not path:
        return value
    first, rest = path[0], path[1:]
    if first == "[]":
        return [put((document or [None])[0], rest, value)]
    key = "k" if first == "*" else first
    return {**(document or {}), key: put((document or {}).get(key), rest, value)}


def place_of(path: Path) -> str:
    """How the API server names it."""
    return "spec." + ".".join("k" if each == "*" else each for each in path).replace(".[]", "[0]")


def batches(kind: str) -> Iterator[list[tuple[Path, int]]]:
    schema = build_crd(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    batch: list[tuple[Path, int]] = []
    for path, length in texts(schema):
        if batch and (len(batch) == TEXTS or sum(each for _, each in batch) + length > BATCH):
            yield batch
            batch = []
        batch.append((path, length))
    if batch:
        yield batch


@pytest.mark.scenario("K-20")
@pytest.mark.parametrize("kind", KINDS)
def test_a_text_that_is_one_character_too_long_is_refused_with_its_place(kube, kind):
    for batch in batches(kind):
        spec: Any = manifest(kind)["spec"]
        for path, length in batch:
            spec = put(spec, path, "x" * (length + 1))
        said = refusal(kube, {**manifest(kind), "spec": spec})
        missed = [place_of(path) for path, length in batch if f"{place_of(path)}: Too long: " not in said]
        assert missed == [], said[:2000]


@pytest.mark.scenario("K-20")
def test_a_manifest_that_no_api_server_takes_is_refused(kube):
    policies = ["x" * 65536] * 60
    said = refusal(kube, manifest("MCPAuthzConfig", "large", config={"policies": policies}))
    assert "too large" in said.lower() or "Too many" in said


@pytest.mark.scenario("K-20")
def test_the_longest_names_run(kube):
    team, notes, endpoint = "g" * SUBDOMAIN, "s" * MAX_SERVER_NAME, "v" * MAX_VMCP_NAME
    kube.apply(
        group(team), server(notes, group=team), vmcp(endpoint, group=team, podDisruptionBudget={"maxUnavailable": 1})
    )
    live = kube.until_phase(f"virtualmcpserver/{endpoint}", "Ready")
    assert [each["name"] for each in live["status"]["backends"]] == [notes]
    kube.until_phase(f"mcpserver/{notes}", "Ready")
    kube.until_phase(f"mcpgroup/{team}", "Ready")


@pytest.mark.scenario("K-20", "K-8")
def test_a_config_that_no_config_map_holds_is_told_and_what_served_serves_on(kube):
    kube.apply(group("large"), server("large", group="large"))
    # Not applied: that would write the whole into an annotation, which may have a quarter of that.
    kube.kubectl("create", "--filename=-", stdin=json.dumps(vmcp("large", group="large")))
    kube.until_phase("virtualmcpserver/large", "Ready")
    overrides = {f"tool-{each}": {"description": "x" * LARGE_TEXT} for each in range(LARGE)}
    aggregation = {"tools": [{"workload": "large", "overrides": overrides}]}
    live = kube.get("virtualmcpserver/large")
    live["spec"]["config"]["aggregation"] = aggregation
    kube.kubectl("replace", "--filename=-", stdin=json.dumps(live))
    told = kube.until_phase("virtualmcpserver/large", "Failed")
    assert "1048576" in told["status"]["message"] or "Too long" in told["status"]["message"]
    assert condition(told, "Ready")["status"] == "False"
    assert kube.get("deployment/vmcp-large")["status"]["readyReplicas"] == 1
    live = kube.get("virtualmcpserver/large")
    del live["spec"]["config"]["aggregation"]
    kube.kubectl("replace", "--filename=-", stdin=json.dumps(live))
    kube.until_phase("virtualmcpserver/large", "Ready")
