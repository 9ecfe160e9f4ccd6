"""The CRDs: structural, closed, bounded, small, and the same as the committed files."""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from vmcp_api.generate.crds import build_crd, build_files
from vmcp_api.kinds import KINDS
from vmcp_api.rules import RULES

CRDS = Path(__file__).parents[2] / "crds"
ALLOWED = {
    "type",
    "description",
    "properties",
    "required",
    "items",
    "additionalProperties",
    "enum",
    "default",
    "format",
    "pattern",
    "minimum",
    "maximum",
    "minLength",
    "maxLength",
    "minItems",
    "maxItems",
    "minProperties",
    "maxProperties",
    "x-kubernetes-validations",
    "x-kubernetes-list-type",
    "x-kubernetes-list-map-keys",
    "x-kubernetes-int-or-string",
    "x-kubernetes-preserve-unknown-fields",
}
ANY_JSON = {"description", "nullable", "x-kubernetes-preserve-unknown-fields"}
FORM = {"anyOf", "not"}
"""Words of rules on objects whose fields may be any JSON, which CEL does not see."""


def nodes(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from nodes(f"{path}.{name}", part)
    if "items" in schema:
        yield from nodes(f"{path}[]", schema["items"])
    if isinstance(schema.get("additionalProperties"), dict):
        yield from nodes(f"{path}.*", schema["additionalProperties"])


def parts(kind: str) -> list[tuple[str, dict[str, Any]]]:
    root = schema_of(kind)
    return [node for part in ("spec", "status") for node in nodes(part, root["properties"][part])]


def schema_of(kind: str) -> dict[str, Any]:
    return crd_of(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


# What is only read is built once for all tests.
crd_of = cache(build_crd)
files = cache(build_files)


def opened(kind: str) -> list[str]:
    """The places that may hold anything, in the order of the schema."""
    overrides = opened_of_overrides("spec.config.aggregation.tools[].overrides")
    values = [*overrides, *opened_of_composite("spec.config.compositeTools[]")]
    return {
        "VirtualMCPServer": [*values, "spec.podTemplateSpec"],
        "MCPServer": ["spec.podTemplateSpec"],
        "MCPToolConfig": opened_of_overrides("spec.toolsOverride"),
        "VirtualMCPCompositeToolDefinition": opened_of_composite("spec"),
    }.get(kind, [])


def opened_of_overrides(overrides: str) -> list[str]:
    return [f"{overrides}.*.arguments.*.{field}" for field in ("fixed", "default")]


def opened_of_composite(tool: str) -> list[str]:
    fields = ("arguments", "defaultResults", "schema", "step.arguments")
    # What a property holds may hold such properties again.
    properties = [f"{tool}.output.properties.*.{field}" for field in ("properties.*", "default")]
    return [f"{tool}.parameters", *(f"{tool}.steps[].{field}" for field in fields), *properties]


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_uses_only_words_of_structural_schemas(kind):
    for path, schema in [("", schema_of(kind)), *parts(kind)]:
        if path in opened(kind) and "type" not in schema:
            assert set(schema) == ANY_JSON, path
            continue
        assert set(schema) <= ALLOWED | (FORM if f"{path}.fixed" in opened(kind) else set()), path
        assert isinstance(schema.get("type"), str) or schema["x-kubernetes-int-or-string"] is True, path
        assert not ({"properties", "additionalProperties"} <= set(schema)), path


@pytest.mark.scenario("K-4")
@pytest.mark.parametrize("kind", KINDS)
def test_only_the_pod_template_and_json_that_people_write_are_open(kind):
    found = [path for path, schema in parts(kind) if "x-kubernetes-preserve-unknown-fields" in schema]
    assert found == opened(kind)
    for path, schema in parts(kind):
        is_open = path in found
        assert is_open or schema.get("type") != "object" or {"properties", "additionalProperties"} & set(schema), path


@pytest.mark.scenario("K-20")
@pytest.mark.parametrize("kind", KINDS)
def test_every_list_map_and_text_is_bounded(kind):
    for path, schema in parts(kind):
        if "type" not in schema:
            continue
        if schema["type"] == "array":
            assert "maxItems" in schema, path
        if "additionalProperties" in schema:
            assert "maxProperties" in schema, path
        if schema["type"] == "string":
            assert {"maxLength", "enum"} & set(schema), path
        if schema["type"] == "integer" and path.startswith("spec"):
            assert {"minimum", "maximum"} <= set(schema), path


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_described(kind):
    for path, schema in parts(kind):
        if not path.endswith(("[]", ".*")):
            assert schema.get("description", "").endswith((".", "`")), path


@pytest.mark.parametrize("kind", KINDS)
def test_keyed_lists_name_keys_that_every_entry_has(kind):
    for path, schema in parts(kind):
        for key in schema.get("x-kubernetes-list-map-keys", ()):
            assert key in schema["items"]["required"], path


def test_every_rule_stands_in_a_crd_with_its_message():
    found = {
        validation["rule"]
        for kind in KINDS
        for _, schema in [("", schema_of(kind)), *parts(kind)]
        for validation in schema.get("x-kubernetes-validations", ())
    }
    assert {rule.cel for rule in RULES if rule.form is None and rule.cel} <= found
    forms = [schema for _, schema in parts("VirtualMCPServer") if set(schema) >= FORM]
    for rule in RULES:
        assert rule.form is None or [part for part in forms if rule.form.items() <= part.items()], rule.message


@pytest.mark.parametrize("kind", KINDS)
def test_a_rule_that_names_a_field_names_one_that_exists(kind):
    for path, schema in [("", schema_of(kind)), *parts(kind)]:
        for validation in schema.get("x-kubernetes-validations", ()):
            assert validation["message"], path
            part = schema
            for step in filter(None, validation.get("fieldPath", "").split(".")):
                part = part["properties"][step]


def test_names_columns_and_subresources_are_as_documented():
    found = {kind: crd_of(kind)["spec"] for kind in KINDS}
    assert {kind: spec["names"]["plural"] for kind, spec in found.items()} == {
        "VirtualMCPServer": "virtualmcpservers",
        "MCPGroup": "mcpgroups",
        "MCPServer": "mcpservers",
        "MCPServerEntry": "mcpserverentries",
        "MCPExternalAuthConfig": "mcpexternalauthconfigs",
        "MCPOIDCConfig": "mcpoidcconfigs",
        "MCPAuthzConfig": "mcpauthzconfigs",
        "MCPTelemetryConfig": "mcptelemetryconfigs",
        "MCPToolConfig": "mcptoolconfigs",
        "VirtualMCPCompositeToolDefinition": "virtualmcpcompositetooldefinitions",
    }
    assert all(spec["names"]["categories"] == ["mcp"] for spec in found.values())
    columns = {
        kind: [column["name"] for column in spec["versions"][0]["additionalPrinterColumns"]]
        for kind, spec in found.items()
    }
    assert columns == {
        "VirtualMCPServer": ["Phase", "URL", "Backends", "Tools", "Ready", "Age"],
        "MCPGroup": ["Phase", "Servers", "Entries", "VMCPs", "Age"],
        "MCPServer": ["Phase", "Transport", "URL", "Ready", "Age"],
        "MCPServerEntry": ["Phase", "Transport", "Remote URL", "Group", "Age"],
        "MCPExternalAuthConfig": ["Type", "Valid", "References", "Age"],
        "MCPOIDCConfig": ["Issuer", "Valid", "References", "Age"],
        "MCPAuthzConfig": ["Mode", "Valid", "References", "Age"],
        "MCPTelemetryConfig": ["Endpoint", "Valid", "Tracing", "Metrics", "References", "Age"],
        "MCPToolConfig": ["Valid", "References", "Age"],
        "VirtualMCPCompositeToolDefinition": ["Workflow", "Status", "Age"],
    }
    assert "scale" in found["VirtualMCPServer"]["versions"][0]["subresources"]


@pytest.mark.parametrize("kind", KINDS)
def test_columns_and_scale_read_fields_that_exist(kind):
    version = crd_of(kind)["spec"]["versions"][0]
    known = {f".{path}" for path, _ in parts(kind)}
    paths = [column["jsonPath"] for column in version["additionalPrinterColumns"]]
    paths += version["subresources"].get("scale", {}).values()
    paths += [each["jsonPath"] for each in version.get("selectableFields", ())]
    for path in paths:
        assert path.startswith(".metadata.") or path.partition("[?")[0] in known, path


def test_the_committed_crds_are_those_of_the_models():
    assert {path.name for path in CRDS.glob("*.yaml")} == set(files())
    for name, text in files().items():
        assert (CRDS / name).read_text(encoding="utf-8") == text, f"run: python -m vmcp_api crds crds ({name})"


def test_each_crd_is_small_enough_for_client_side_apply_and_has_no_anchors():
    for name, text in files().items():
        assert "&id" not in text
        crd = yaml.load(text, Loader=yaml.CSafeLoader)
        assert crd["kind"] == "CustomResourceDefinition"
        # Client-side apply keeps it as JSON in an annotation; all annotations together have 256 KiB.
        assert len(json.dumps(crd, separators=(",", ":")).encode()) < 160 * 1024, name
