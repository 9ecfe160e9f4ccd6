"""Identities, capabilities and questions for tests of Cedar."""

import json
from typing import Any

from vmcp_proxy.auth.decision import Decision
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.core.policy.cedar.admitter import CedarAdmitter
from vmcp_proxy.core.policy.cedar.arguments import Wanted, wanted_by
from vmcp_proxy.core.policy.cedar.policies import read_policies
from vmcp_proxy.core.policy.questions import ACTION_ON, Action, Question, judged_name
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, Annotations
from vmcp_proxy.protocol.kinds import Kind

SERVER = "office"


def admitter(*policies: str, **more: Any) -> CedarAdmitter:
    return CedarAdmitter(policies, server=SERVER, **{"group_claims": ("groups",), **more})


def who(subject: str = "alice", **claims: Any) -> Identity:
    return Identity("https://issuer.example", subject, claims=claims)


def a_tool(name: str = "t", backend: str = "b", *, original: str = "", **hints: bool) -> Capability:
    annotations = Annotations(**hints) if hints else NO_ANNOTATIONS
    return Capability(Kind.TOOL, name, backend, original or name, b"{}", annotations=annotations)


def entry(kind: Kind, name: str, backend: str = "b", *, original: str = "") -> Capability:
    return Capability(kind, name, backend, original or name, b"{}", is_listed=True)


async def decided(
    policies: CedarAdmitter, identity: Identity, capability: Capability, arguments: Any = None, name: str = ""
) -> Decision:
    """The decision on a call with arguments: JSON text as it stands, or what becomes JSON."""
    raw = arguments if isinstance(arguments, bytes | None) else json.dumps(arguments).encode()
    called = judged_name(capability, name or capability.exposed)
    return await policies.decide(Question(identity, ACTION_ON[capability.kind], capability, called, raw))


async def unknown(
    policies: CedarAdmitter, identity: Identity, name: str, action: Action = Action.CALL_TOOL
) -> Decision:
    return await policies.decide(Question(identity, action, None, name))


def shown(policies: CedarAdmitter, identity: Identity, *capabilities: Capability) -> list[str]:
    shows = policies.shows(identity, capabilities)
    return [capability.exposed for capability, is_shown in zip(capabilities, shows, strict=True) if is_shown]


def wanted(condition: str) -> Wanted:
    """What a policy with this condition reads of arguments."""
    return wanted_by([read_policies([f"permit(principal, action, resource) when {{ {condition} }};"]).reads])
