"""CustomResourceDefinitions from the models: structural, closed, bounded, with CEL rules."""

from typing import Any, Final, TypeAlias

import yaml

from vmcp_api.generate.rule_cost import MOST, cost_of_match, entries_of
from vmcp_api.generate.schema import Schema, build_schema
from vmcp_api.kinds import KINDS
from vmcp_api.manifests.problems import format_path
from vmcp_api.naming import GROUP, VERSION, plural_of
from vmcp_api.rules import RULES, Rule
from vmcp_api.text.durations import compare_durations, format_duration
from vmcp_api.text.forms import describe_form, say_form

Manifest: TypeAlias = dict[str, Any]
"""An object for the API server as plain data."""

Column: TypeAlias = tuple[str, str, str]
"""Title, type and JSON path of a printer column."""

_AGE: Final[Column] = ("Age", "date", ".metadata.creationTimestamp")
_READY: Final[Column] = ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status')
_VALID: Final[Column] = ("Valid", "string", '.status.conditions[?(@.type=="Valid")].status')
_USERS: Final[Column] = ("References", "integer", ".status.referenceCount")
_PHASE: Final[Column] = ("Phase", "string", ".status.phase")

_SHORT_NAMES: Final = {
    "VirtualMCPServer": "vmcp",
    "MCPGroup": "mcpg",
    "MCPServer": "mcpserver",
    "MCPServerEntry": "mcpentry",
    "MCPExternalAuthConfig": "extauth",
    "MCPOIDCConfig": "mcpoidc",
    "MCPAuthzConfig": "authzcfg",
    "MCPTelemetryConfig": "mcpotel",
    "MCPToolConfig": "tc",
    "VirtualMCPCompositeToolDefinition": "vmcpctd",
}
_COLUMNS: Final[dict[str, tuple[Column, ...]]] = {
    "VirtualMCPServer": (
        _PHASE,
        ("URL", "string", ".status.url"),
        ("Backends", "string", ".status.backendSummary"),
        ("Tools", "integer", ".status.toolCount"),
        _READY,
        _AGE,
    ),
    "MCPGroup": (
        _PHASE,
        ("Servers", "integer", ".status.serverCount"),
        ("Entries", "integer", ".status.entryCount"),
        ("VMCPs", "integer", ".status.virtualServerCount"),
        _AGE,
    ),
    "MCPServer": (
        _PHASE,
        ("Transport", "string", ".spec.transport"),
        ("URL", "string", ".status.url"),
        _READY,
        _AGE,
    ),
    "MCPServerEntry": (
        _PHASE,
        ("Transport", "string", ".spec.transport"),
        ("Remote URL", "string", ".spec.remoteUrl"),
        ("Group", "string", ".spec.groupRef.name"),
        _AGE,
    ),
    "MCPExternalAuthConfig": (("Type", "string", ".spec.type"), _VALID, _USERS, _AGE),
    "MCPOIDCConfig": (("Issuer", "string", ".spec.inline.issuer"), _VALID, _USERS, _AGE),
    "MCPAuthzConfig": (("Mode", "string", ".spec.mode"), _VALID, _USERS, _AGE),
    "MCPTelemetryConfig": (
        ("Endpoint", "string", ".spec.openTelemetry.endpoint"),
        _VALID,
        ("Tracing", "boolean", ".spec.openTelemetry.tracing.enabled"),
        ("Metrics", "boolean", ".spec.openTelemetry.metrics.enabled"),
        _USERS,
        _AGE,
    ),
    "MCPToolConfig": (_VALID, _USERS, _AGE),
    "VirtualMCPCompositeToolDefinition": (
        ("Workflow", "string", ".spec.name"),
        ("Status", "string", ".status.validationStatus"),
        _AGE,
    ),
}
_SCALE: Final = {
    "specReplicasPath": ".spec.replicas",
    "statusReplicasPath": ".status.replicas",
    "labelSelectorPath": ".status.selector",
}
_SCALED: Final = ("VirtualMCPServer", "MCPServer")
_SELECTED: Final[dict[str, tuple[str, ...]]] = dict.fromkeys(
    ("VirtualMCPServer", "MCPServer", "MCPServerEntry"), (".spec.groupRef.name",)
)
"""Fields by which the API server selects, from Kubernetes 1.31 on; an older one leaves them out."""

_SIGNS: Final = {"gt": (">", "more than"), "ge": (">=", "at least"), "lt": ("<", "less than"), "le": ("<=", "at most")}
_HEADER: Final = "# Generated from the models by `python -m vmcp_api crds crds`; do not edit.\n"


class _Dumper(yaml.SafeDumper):
    """Writes everything out: the API server knows no anchors."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - the signature is the base's
        return True


def build_crd(kind: str) -> Manifest:
    """The CustomResourceDefinition of one kind."""
    plural = plural_of(kind)
    short = _SHORT_NAMES[kind]
    subresources: Manifest = {"status": {}}
    if kind in _SCALED:
        subresources["scale"] = dict(_SCALE)
    names: Manifest = {
        "kind": kind,
        "listKind": f"{kind}List",
        "plural": plural,
        "singular": kind.lower(),
        "shortNames": [short] if short != kind.lower() else [],
        # Not `vmcp`: a category of a short name's name makes `kubectl get vmcp NAME` ambiguous.
        "categories": ["mcp"],
    }
    version: Manifest = {
        "name": VERSION,
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": _root(kind)},
        "subresources": subresources,
        "additionalPrinterColumns": [
            {"name": title, "type": form, "jsonPath": path} for title, form, path in _COLUMNS[kind]
        ],
    }
    if kind in _SELECTED:
        version["selectableFields"] = [{"jsonPath": path} for path in _SELECTED[kind]]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "names": {key: value for key, value in names.items() if value},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


def build_files() -> dict[str, str]:
    """Every CRD as YAML by file name."""
    return {
        f"{plural_of(kind)}.yaml": _HEADER
        + yaml.dump(build_crd(kind), Dumper=_Dumper, sort_keys=False, width=110, allow_unicode=True)
        for kind in KINDS
    }


def _root(kind: str) -> Schema:
    schema = build_schema(KINDS[kind])
    parts = schema["properties"]
    root = {
        "description": schema["description"],
        "type": "object",
        "required": [name for name in ("spec",) if name in schema["required"]],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": _structural(parts["spec"]),
            "status": _structural(parts["status"]),
        },
        "x-kubernetes-validations": [_cel(rule) for rule in _rules(kind, "", each=False)],
    }
    return {key: value for key, value in root.items() if value}


def _structural(schema: Schema, times: int = 1) -> Schema:
    """A plain schema in the words that a CRD may use; in one object it may occur so many `times`."""
    result = dict(schema)
    model = result.pop("x-model", None)
    bounds = result.pop("x-duration", {})
    result.pop("x-default", None)
    result.pop("x-recursive", None)
    if not isinstance(result.get("additionalProperties"), dict):
        result.pop("additionalProperties", None)
    else:
        result["additionalProperties"] = _structural(result["additionalProperties"], times * entries_of(result))
    if "items" in result:
        result["items"] = _structural(result["items"], times * entries_of(result))
    if "properties" in result:
        result["properties"] = {
            name: _with_rules(_structural(part, times), str(model), name) for name, part in result["properties"].items()
        }
    validations: list[Manifest] = []
    if "pattern" in result and times * cost_of_match(result) <= MOST:
        validations.append(_form(result))
    elif "pattern" in result:
        result["pattern"] = _in_words(result["pattern"])
    validations += [_bound(sign, value) for sign, value in bounds.items()]
    validations += [_cel(rule) for rule in _rules(str(model), "", each=False)]
    for form in (rule.form for rule in RULES if rule.model.__name__ == model and rule.form is not None):
        result.update(form)
    return _validated(result, validations)


def _with_rules(schema: Schema, model: str, field: str) -> Schema:
    if entries := [_cel(rule) for rule in _rules(model, field, each=True)]:
        schema = {**schema, "items": _validated(schema["items"], entries)}
    return _validated(schema, [_cel(rule) for rule in _rules(model, field, each=False)])


def _validated(schema: Schema, validations: list[Manifest]) -> Schema:
    if not validations:
        return schema
    return {**schema, "x-kubernetes-validations": [*schema.get("x-kubernetes-validations", []), *validations]}


def _rules(model: str, field: str, *, each: bool) -> list[Rule]:
    return [rule for rule in RULES if rule.cel and (rule.model.__name__, rule.field, rule.each) == (model, field, each)]


def _cel(rule: Rule) -> Manifest:
    """The words of a rule; metadata has no schema of ours, so its field is named in the message."""
    if rule.about[:1] == ("metadata",):
        return {"rule": rule.cel, "message": f"{format_path(rule.about)} {rule.message}"}
    place = {"fieldPath": "".join(f".{step}" for step in rule.about)} if rule.about else {}
    return {"rule": rule.cel, "message": rule.message, **place}


def _form(schema: Schema) -> Manifest:
    """A rule in the place of a pattern: the API server shows a pattern as it is, and a rule in words."""
    pattern = schema.pop("pattern")
    quote = '"' if "'" in pattern else "'"
    rule = f"self.matches(r{quote}{pattern}{quote})"
    if "x-kubernetes-int-or-string" in schema:
        rule = f"type(self) == int || {rule}"
    return {"rule": rule, "message": say_form(pattern)}


def _in_words(pattern: str) -> str:
    """A pattern for lists within lists, where a rule would cost more than the API server allows.

    As the API server shows it, it ends with its own words: another alternative, which no text is of, for nothing
    begins after its end.
    """
    return f"{pattern}|$.^ {describe_form(pattern)}"


def _bound(sign: str, seconds: float) -> Manifest:
    operator, words = _SIGNS[sign]
    bound = format_duration(seconds)
    return {
        "rule": compare_durations("self", operator, f"'{bound}'"),
        "message": f"must be {words} {bound}; write a value {words} {bound}",
    }
