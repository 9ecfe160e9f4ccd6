"""Short ways to say what backends list and how it is aggregated."""

import json
from collections.abc import Iterable, Mapping
from types import SimpleNamespace

from vmcp_api.spec.aggregation import Aggregation
from vmcp_proxy.core.catalog.capabilities import Capability, Descriptor, Listing, Outcome
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.catalog.merge import merge
from vmcp_proxy.protocol.kinds import Kind


class FakeMember(SimpleNamespace):
    """The parts of a member that a test needs; each is one of its own, as members are."""

    __hash__ = object.__hash__


def raw_tool(name: str, **members: object) -> bytes:
    return json.dumps({"name": name, "inputSchema": {"type": "object"}, **members}).encode()


def descriptor(kind: Kind, name: str, **members: object) -> Descriptor:
    match kind:
        case Kind.TOOL:
            return Descriptor(kind, name, raw_tool(name, **members))
        case Kind.PROMPT:
            content = {"name": name, **members}
        case Kind.RESOURCE:
            content = {"uri": name, "name": "a resource", **members}
        case Kind.TEMPLATE:
            content = {"uriTemplate": name, "name": "a template", **members}
    return Descriptor(kind, name, json.dumps(content).encode())


def listing(
    backend: str,
    *,
    tools: Iterable[str] = (),
    resources: Iterable[str] = (),
    templates: Iterable[str] = (),
    prompts: Iterable[str] = (),
) -> Listing:
    return Listing(
        backend,
        tools=tuple(descriptor(Kind.TOOL, name) for name in tools),
        resources=tuple(descriptor(Kind.RESOURCE, name) for name in resources),
        templates=tuple(descriptor(Kind.TEMPLATE, name) for name in templates),
        prompts=tuple(descriptor(Kind.PROMPT, name) for name in prompts),
    )


def settings(strategy: str = "prefix", order: Iterable[str] = (), **members: object) -> Aggregation:
    """The aggregation settings as a person writes them, in camelCase."""
    config = {"priorityOrder": list(order)}
    return Aggregation.model_validate(
        {"conflictResolution": strategy, "conflictResolutionConfig": config, **members}, by_alias=True, by_name=False
    )


def merged(*listings: Listing, using: Aggregation | None = None, **outcomes: Outcome) -> Catalog:
    return merge(listings, using or settings(), outcomes)


def exposed(capabilities: Iterable[Capability]) -> list[str]:
    return [capability.exposed for capability in capabilities]


def routes(capabilities: Iterable[Capability]) -> Mapping[str, tuple[str, str]]:
    return {capability.exposed: (capability.backend, capability.original) for capability in capabilities}
