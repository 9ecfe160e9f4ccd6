"""Values of the charts: described, typed, closed, and each of them in use."""

import json
import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from charts.generate import CHARTS, CRDS_CHART, OPERATOR_CHART, ROOT, read_values, schema_at

BOTH = pytest.mark.parametrize("chart", [CRDS_CHART, OPERATOR_CHART], ids=lambda chart: chart.name)
# Helm's own, for charts that depend on ours.
OF_PARENTS = {"global", "enabled"}
# Kubernetes' own schemas, which the API server checks.
OPEN = {
    *("affinity.nodeAffinity", "affinity.podAffinity", "affinity.podAntiAffinity", "global"),
    *("proxy.affinity.nodeAffinity", "proxy.affinity.podAffinity", "proxy.affinity.podAntiAffinity"),
    *("podSecurityContext", "containerSecurityContext", "volumes[]", "extraEnv[].valueFrom", "networkPolicy.egress[]"),
    "proxy.extraEnv[].valueFrom",
}


def values_of(chart):
    return read_values((chart / "values.yaml").read_text(encoding="utf-8"))


def schema_of(chart):
    return json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))


def templates_of(chart):
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(chart.glob("templates/*"))}


def objects(path: str, schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    if schema["type"] == "object":
        yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from objects(f"{path}.{name}".lstrip("."), part)
    if "items" in schema:
        yield from objects(f"{path}[]", schema["items"])


def leaves(schema: dict[str, Any], known: set[str], path: str = "") -> Iterator[str]:
    for name, part in schema["properties"].items():
        below = f"{path}.{name}".lstrip(".")
        if below in known or "properties" not in part:
            yield below
        else:
            yield from leaves(part, known, below)


@BOTH
def test_every_value_has_a_sentence(chart):
    for value in values_of(chart):
        assert re.fullmatch(r"[A-Z].*\.", value.meaning), value.path


@BOTH
def test_the_schema_names_the_values_and_no_others(chart):
    known = {value.path for value in values_of(chart)}
    assert set(leaves(schema_of(chart), known)) - OF_PARENTS == known


@BOTH
def test_the_schema_is_closed(chart):
    for path, schema in objects("", schema_of(chart)):
        if path not in OPEN:
            # Closed, or a map of scalars.
            rest = schema["additionalProperties"]
            assert rest is False or rest["type"] in ("string", "number"), path


@BOTH
def test_defaults_are_among_the_choices(chart):
    for value in values_of(chart):
        schema = schema_at(schema_of(chart), value.path)
        assert value.default in schema.get("enum", [value.default]), value.path


@BOTH
def test_every_value_is_used_by_a_template(chart):
    text = "".join(templates_of(chart).values())
    for value in values_of(chart):
        image, _, _ = value.path.rpartition(".image.")
        # The parts of an image are read by one helper, which gets the whole.
        used = f".Values.{image}.image " if image else f".Values.{value.path}"
        if value.path.startswith("image."):
            used = '"image" .Values.image '
        assert used in text, value.path


@BOTH
def test_a_template_reads_no_value_that_is_unknown(chart):
    schema = schema_of(chart)
    for name, text in templates_of(chart).items():
        for path in re.findall(r"\.Values\.([A-Za-z][A-Za-z.]*[A-Za-z])", text):
            assert schema_at(schema, path), name


@BOTH
def test_each_file_holds_one_object(chart):
    for name, text in templates_of(chart).items():
        wanted = 1 if name.endswith(".yaml") else 0
        assert len(re.findall(r"^kind: ", text, re.MULTILINE)) == wanted, name


@BOTH
def test_the_versions_are_the_projects(chart):
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    meta = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))
    assert (meta["version"], meta["appVersion"]) == (version, version)
    assert meta["name"] == chart.name


def test_there_are_two_charts():
    assert {path.parent for path in CHARTS.glob("*/Chart.yaml")} == {CRDS_CHART, OPERATOR_CHART}


def test_the_notes_apply_the_example_that_is_made_for_a_cluster():
    notes = (OPERATOR_CHART / "templates" / "NOTES.txt").read_text(encoding="utf-8")
    (example,) = re.findall(r"kubectl apply .* -f (\S+)", notes)
    assert example in (ROOT / "docs/how-to/quickstart-kubernetes.md").read_text(encoding="utf-8")
    assert (ROOT / example).is_file()
