"""Filters and overrides that stand one upon the other, as one (ADR-0054)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from vmcp_api.kinds.mcptoolconfig import MCPToolConfigSpec
from vmcp_api.spec.aggregation import AnnotationsOverride, ToolOverride, WorkloadTools


@dataclass(frozen=True, slots=True)
class Layer:
    """A filter and overrides by the names of tools that stand below; `is_closed` serves none."""

    filter: tuple[str, ...] = ()
    overrides: Mapping[str, ToolOverride] = field(default_factory=dict)
    is_closed: bool = False

    @property
    def new_names(self) -> dict[str, str]:
        """The names that overrides give, with those that the tools had before."""
        return {each.name: own for own, each in self.overrides.items() if each.name is not None and each.name != own}


def layer_of_config(spec: MCPToolConfigSpec) -> Layer:
    """What an MCPToolConfig says."""
    return Layer(spec.tools_filter, spec.tools_override)


def layer_of_entry(entry: WorkloadTools, config: MCPToolConfigSpec | None) -> Layer:
    """What an endpoint says of a member: what stands in its entry counts before what the entry refers to.

    A filter of the entry replaces that of the config, and so do the overrides of a tool; nothing is mixed within one.
    """
    if config is None:
        return Layer(entry.filter, entry.overrides, entry.exclude_all)
    overrides = {**config.tools_override, **entry.overrides}
    return Layer(entry.filter or config.tools_filter, overrides, entry.exclude_all)


def stack(below: Layer, above: Layer) -> Layer:
    """Both as one, by the names that tools have at their server.

    What stands above sees the tools as they come out of what stands below: under their new names, and no others. So
    it can only take away, and what is fixed or hidden below stays so.
    """
    new_names = below.new_names
    overrides = dict(below.overrides)
    for name, override in above.overrides.items():
        own = new_names.get(name, name)
        overrides[own] = _merge(overrides[own], override) if own in overrides else override
    if not above.filter:
        # What is renamed once more above has no longer the name that a filter below may go by.
        own_names = tuple(dict.fromkeys(_original(name, below, new_names) for name in below.filter))
        return Layer(own_names, overrides, below.is_closed or above.is_closed)
    kept = tuple(dict.fromkeys(own for own, is_passed in _meet(below, above).values() if is_passed))
    return Layer(kept, overrides, below.is_closed or above.is_closed or not kept)


def find_lost(below: Layer, above: Layer) -> tuple[str, ...]:
    """The entries of the upper filter of which the lower one lets nothing through."""
    return tuple(name for name, (_, is_passed) in _meet(below, above).items() if not is_passed)


def _meet(below: Layer, above: Layer) -> dict[str, tuple[str, bool]]:
    """Each entry of the upper filter with the tool's own name, and whether the lower filter lets it through."""
    new_names, renamed = below.new_names, above.new_names
    if not below.filter:
        # An entry may be a name that is exposed, which nobody knows here.
        return {name: (new_names.get(name, name), True) for name in above.filter}
    passed = {_original(name, below, new_names) for name in below.filter}
    inner = {name: _original(name, above, renamed) for name in above.filter}
    own = {name: new_names.get(each, each) for name, each in inner.items()}
    return {name: (each, each in passed) for name, each in own.items()}


def _original(name: str, layer: Layer, new_names: Mapping[str, str]) -> str:
    """The name below a layer of the tool that the layer's own filter means: such names count before new ones."""
    return name if name in layer.overrides else new_names.get(name, name)


def _merge(below: ToolOverride, above: ToolOverride) -> ToolOverride:
    hints = _over(below.annotations, above.annotations)
    withheld = {name: each for name, each in below.arguments.items() if each.is_withheld}
    return ToolOverride(
        name=above.name or below.name,
        description=below.description if above.description is None else above.description,
        annotations=AnnotationsOverride(**hints) if hints else None,
        arguments={**below.arguments, **above.arguments, **withheld},
    )


def _over(*parts: AnnotationsOverride | None) -> dict[str, Any]:
    """The hints that are given, those of the last one before the others'."""
    told = (part.model_dump(exclude_none=True) for part in parts if part is not None)
    return {name: hint for each in told for name, hint in each.items()}
