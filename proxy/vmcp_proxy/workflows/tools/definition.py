"""A composite tool as a config defines it, made ready to be listed and called."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import msgspec

from vmcp_api.spec.composite import CompositeTool
from vmcp_api.templates import TemplateError
from vmcp_api.workflows.schemas import SchemaError
from vmcp_proxy.core.catalog.arguments import ArgumentPlan, encode_json
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.protocol.annotations import Annotations, hints_of
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.workflows.model import Workflow, compile_workflow


@dataclass(frozen=True, slots=True, eq=False)
class Definition:
    """`arguments` has the defaults, so that policies judge by what the workflow will get (ADR-0022)."""

    tool: CompositeTool
    workflow: Workflow
    arguments: ArgumentPlan | None

    @classmethod
    def of(cls, tool: CompositeTool) -> "Definition":
        """Compiles a tool without faults (`vmcp_api.workflows.faults`).

        Raises:
            TemplateError, SchemaError: it has some.
        """
        workflow = compile_workflow(tool)
        values = sorted(workflow.parameters.defaults.values.items())
        defaults = tuple((name, encode_json(value)) for name, value in values)
        return cls(tool, workflow, ArgumentPlan(defaults=defaults) if defaults else None)

    @property
    def title(self) -> str:
        """What clients show people: the title, else the name (MCP, `BaseMetadata`)."""
        declared = self.tool.annotations
        return self.tool.name if declared is None or not declared.title else declared.title

    def capability(self, hints: Annotations) -> Capability:
        """What clients and policies see of it, with these hints: a tool of the proxy's own."""
        name = self.tool.name
        return Capability(
            Kind.TOOL, name, "", name, self._describe(hints), self.arguments, annotations=hints, is_listed=True
        )

    def _describe(self, hints: Annotations) -> bytes:
        """The `Tool` object of `tools/list`."""
        tool, declared = self.tool, self.tool.annotations
        annotations: dict[str, Any] = dict(hints_of(hints))
        described: dict[str, Any] = {
            "name": tool.name,
            "description": tool.description,
            "inputSchema": self.workflow.parameters.schema,
        }
        if self.workflow.output is not None:
            described["outputSchema"] = self.workflow.output.schema
        if declared is not None and declared.title is not None:
            described["title"] = annotations["title"] = declared.title
        return msgspec.json.encode({**described, "annotations": annotations})


@dataclass(frozen=True, slots=True)
class Definitions:
    """Those of one config by name; `unusable` are those that cannot be compiled, with the reason."""

    by_name: Mapping[str, Definition]
    unusable: Mapping[str, str]

    def following(self, tools: Iterable[CompositeTool], maximum: float) -> "Definitions":
        """Those of the next config; what it leaves as it was is not compiled again.

        No workflow takes longer than any request may: `maximum` in seconds.
        """
        found: dict[str, Definition] = {}
        unusable: dict[str, str] = {}
        for tool in tools:
            former = self.by_name.get(tool.name)
            try:
                definition = former if former is not None and former.tool == tool else Definition.of(tool)
            except (TemplateError, SchemaError) as error:
                unusable[tool.name] = str(error)
                continue
            seconds = min(tool.timeout, maximum)
            if definition.workflow.seconds != seconds:
                definition = replace(definition, workflow=replace(definition.workflow, seconds=seconds))
            found[tool.name] = definition
        return Definitions(MappingProxyType(found), MappingProxyType(unusable))


NO_DEFINITIONS = Definitions(MappingProxyType({}), MappingProxyType({}))
