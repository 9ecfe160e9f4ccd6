"""Writes what is generated around the charts: CRD templates and the page of values."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

CHARTS: Final = Path(__file__).resolve().parent
ROOT: Final = CHARTS.parent
CRDS_CHART: Final = CHARTS / "vmcp-operator-crds"
OPERATOR_CHART: Final = CHARTS / "vmcp-operator"
PAGE: Final = ROOT / "docs" / "reference" / "helm-values.md"

_TEMPLATE_HEAD: Final = "{{- /* Generated from crds/ by `python charts/generate.py`; do not edit. */ -}}\n"
_NAME_LINE: Final = re.compile(r"^metadata:\n  name: \S+\n", re.MULTILINE)
_METADATA: Final = """\
  labels:
    {{- include "vmcp-operator-crds.labels" . | nindent 4 }}
  {{- if .Values.keep }}
  annotations:
    helm.sh/resource-policy: keep
  {{- end }}
"""
_PAGE_HEAD: Final = """\
<!-- Generated from the charts' values.yaml by `python charts/generate.py`; do not edit. -->
# Values of the charts

`helm install NAME CHART --set VALUE=...`, or a file with `--values`. A name that is not listed here is refused.
"""
_TABLE_HEAD: Final = "| Value | Type | Default | Meaning |\n| --- | --- | --- | --- |\n"


@dataclass(frozen=True, slots=True)
class Value:
    """One value of a chart: `path` is dotted, `default` as in `values.yaml`, `meaning` the comment above it."""

    path: str
    default: Any
    meaning: str


def build_crd_template(crd: str) -> str:
    """The template of one CRD file: its text, with the chart's labels and the keep policy.

    Raises:
        ValueError: the file does not begin as the CRD generator writes it.
    """
    body = "".join(line for line in crd.splitlines(keepends=True) if not line.startswith("#"))
    escaped = body.replace("{{", '{{ "{{" }}')
    found = _NAME_LINE.search(escaped)
    if found is None:
        raise ValueError("the CRD has no metadata with a name")
    return _TEMPLATE_HEAD + escaped[: found.end()] + _METADATA + escaped[found.end() :]


def build_crd_templates() -> dict[str, str]:
    """Every CRD template of the CRD chart, by file name."""
    files = sorted((ROOT / "crds").glob("*.yaml"))
    return {f"crd-{path.name}": build_crd_template(path.read_text(encoding="utf-8")) for path in files}


def read_values(text: str) -> tuple[Value, ...]:
    """The values of a `values.yaml`, in its order; a map without a comment of its own is a section of values."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, yaml.MappingNode):
        return ()
    return tuple(_walk(root, "", text.splitlines()))


def schema_at(schema: dict[str, Any], path: str) -> dict[str, Any]:
    """The part of a `values.schema.json` that describes a value.

    Raises:
        KeyError: there is none.
    """
    for name in path.split("."):
        schema = schema["properties"][name]
    return schema


def build_page() -> str:
    """The page of values of both charts."""
    return "\n".join([_PAGE_HEAD, _section(CRDS_CHART), _section(OPERATOR_CHART)])


def main() -> int:
    """Write the files, and delete templates of CRDs that are no more."""
    templates = CRDS_CHART / "templates"
    wanted = build_crd_templates()
    for path in templates.glob("crd-*.yaml"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (templates / name).write_text(text, encoding="utf-8")
    PAGE.write_text(build_page(), encoding="utf-8")
    return 0


def _walk(node: yaml.MappingNode, prefix: str, lines: list[str]) -> Iterator[Value]:
    for key, value in node.value:
        path, meaning = f"{prefix}{key.value}", _comment_above(lines, key.start_mark.line)
        if isinstance(value, yaml.MappingNode) and value.value and not meaning:
            yield from _walk(value, f"{path}.", lines)
        else:
            yield Value(path, yaml.safe_load(yaml.serialize(value)), meaning)


def _comment_above(lines: list[str], line: int) -> str:
    found: list[str] = []
    while line and lines[line - 1].strip().startswith("#"):
        line -= 1
        found.insert(0, lines[line].strip().lstrip("#").strip())
    return " ".join(found)


def _section(chart: Path) -> str:
    description = yaml.safe_load((chart / "Chart.yaml").read_text(encoding="utf-8"))["description"]
    schema = json.loads((chart / "values.schema.json").read_text(encoding="utf-8"))
    values = read_values((chart / "values.yaml").read_text(encoding="utf-8"))
    rows = "".join(_row(value, schema_at(schema, value.path)) for value in values)
    return f"## {chart.name}\n\n{description}\n\n{_TABLE_HEAD}{rows}"


def _row(value: Value, schema: dict[str, Any]) -> str:
    cells = (f"`{value.path}`", _type(schema), f"`{json.dumps(value.default)}`", value.meaning)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return ", ".join(f"`{choice or json.dumps(choice)}`" for choice in schema["enum"])
    kind = schema["type"]
    return kind if isinstance(kind, str) else " or ".join(kind)


if __name__ == "__main__":
    raise SystemExit(main())
