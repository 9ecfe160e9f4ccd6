"""What callers may do: the policies of an endpoint, from wherever they are written."""

import json
import re
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Annotated, Final, Literal, TypeAlias

from pydantic import Field

from vmcp_api.base import Json, Model
from vmcp_api.kinds import MCPAuthzConfig, MCPServer, MCPServerEntry, VirtualMCPServer
from vmcp_api.kinds.endpoint.auth import AuthzConfig
from vmcp_api.kinds.foreign.core import ConfigMap
from vmcp_api.kinds.mcpauthzconfig import CedarConfig, MCPAuthzConfigSpec
from vmcp_api.manifests.parse import parse_model
from vmcp_api.manifests.policies import check_entities, check_policies, doubt_policies
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resolve import check_config_map, follow
from vmcp_api.manifests.resources import Resources
from vmcp_api.spec.authorization import Authorization
from vmcp_api.spec.references import KeyRef
from vmcp_api.text.cedar_names import Names
from vmcp_api.text.yaml_text import parse_yaml

_INCOMING: Loc = ("spec", "incomingAuth")
_OWN: Loc = (*_INCOMING, "authzConfig", "inline", "policies")
POLICIES: Loc = ("spec", "config", "policies")
"""Where an MCPAuthzConfig says them."""

_YAML: Final = re.compile(r"(?:\s++|#[^\n]*+\n|---[ \t]*+\n)*+[\"']?(?:version|type|cedar)[\"']?[ \t]*+:")
"""What no Cedar begins with."""

Texts: TypeAlias = tuple[tuple[str, ...], str]
"""Policies, and the entities that they speak of."""


class CedarFile(Model):
    """The form of policies in a ConfigMap that is no bare Cedar: JSON or YAML."""

    version: Annotated[str | None, Field(max_length=32, description="Version of the form.")] = None
    type: Annotated[Literal["cedarv1"], Field(description="`cedarv1`: Cedar.")] = "cedarv1"
    cedar: Annotated[CedarConfig, Field(description="The policies.")]


def build_authorization(vmcp: VirtualMCPServer, resources: Resources) -> Authorization | Problems | None:
    """The policies of an endpoint; None where it has none, problems where it has some that cannot be read."""
    auth = vmcp.spec.incoming_auth
    subject = f"VirtualMCPServer/{vmcp.metadata.name}"
    if auth.authz_config_ref:
        return _shared(auth.authz_config_ref.name, resources, subject)
    return _own(auth.authz_config, resources, subject) if auth.authz_config else None


def doubt_authorization(
    vmcp: VirtualMCPServer, resources: Resources, authorization: Authorization, members: Collection[str]
) -> Problems:
    """Warnings about what the policies of an endpoint name and nothing has.

    Those that several endpoints may share may be about the others: there a name counts as known that anything in the
    namespace bears, and where nobody knows all of those, only a slip is told.
    """
    auth, own = vmcp.spec.incoming_auth, vmcp.metadata.name
    authz, ref = auth.authz_config, auth.authz_config_ref
    names = Names(frozenset(members), frozenset({own}))
    if ref:
        others = (*resources.of(MCPServer), *resources.of(MCPServerEntry)) if resources.is_whole else ()
        servers = {own, *resources.of(VirtualMCPServer)}
        names = Names(frozenset({*members, *others}), frozenset(servers), is_whole=resources.is_whole)
    doubts = partial(doubt_policies, authorization.policies, authorization.entities_json, names=names)
    if ref:
        return doubts(loc=POLICIES).about(f"MCPAuthzConfig/{ref.name}")
    if authz and authz.config_map:
        key = authz.config_map.key_ref
        return Problems(tuple(_in_key(replace(each, loc=()), key) for each in doubts(loc=())))
    return doubts(loc=_OWN).about(f"VirtualMCPServer/{own}")


def is_about_policies(problem: Problem) -> bool:
    """Whether a warning of a rendering is one of `doubt_authorization`."""
    return problem.loc[:3] == POLICIES or problem.loc[: len(_OWN)] == _OWN or problem.subject.startswith("ConfigMap/")


def _shared(name: str, resources: Resources, subject: str) -> Authorization | Problems:
    found = follow(resources, MCPAuthzConfig, name, (*_INCOMING, "authzConfigRef", "name"))
    if isinstance(found, Problem):
        return Problems.of(found).about(subject)
    spec, loc = found.spec, ("spec", "config")
    texts = (spec.config.policies, spec.config.entities_json)
    problems = _check(texts, (*loc, "policies"), (*loc, "entities_json")).about(f"{found.kind}/{name}")
    return problems or _build(texts, spec)


def _own(authz: AuthzConfig, resources: Resources, subject: str) -> Authorization | Problems:
    loc = (*_INCOMING, "authzConfig")
    if authz.config_map:
        return _from_key(authz, authz.config_map.key_ref, resources, subject)
    inline = authz.inline
    if inline is None:
        missing = Problem("says no policies", "write inline or configMap", loc)
        return Problems.of(missing).about(subject)
    texts = (inline.policies, inline.entities_json)
    place = (*loc, "inline")
    problems = _check(texts, (*place, "policies"), (*place, "entitiesJson")).about(subject)
    return problems or _build(texts, authz)


def _from_key(authz: AuthzConfig, ref: KeyRef, resources: Resources, subject: str) -> Authorization | Problems:
    if missing := check_config_map(resources, ref, (*_INCOMING, "authzConfig", "configMap")):
        return Problems.of(missing).about(subject)
    texts = _read(resources.of(ConfigMap)[ref.name].data[ref.key])
    if isinstance(texts, Problems):
        return Problems(tuple(_in_key(problem, ref) for problem in texts))
    return _build(texts, authz)


def _read(text: str) -> Texts | Problems:
    """The policies of a ConfigMap's key: Cedar as it is, or a document of JSON or YAML that holds some."""
    if _YAML.match(text):
        documents, problems = parse_yaml(text)
        if len(documents) > 1:
            problems += Problems.of(Problem("holds several documents", "put all policies into one"))
        return problems or _read_document(documents[0].data)
    if not text.lstrip().startswith("{"):
        flaws = tuple(replace(problem, loc=()) for problem in check_policies((text,), ()))
        return Problems(flaws) if flaws else ((text,), "[]")
    try:
        return _read_document(json.loads(text))
    except (ValueError, RecursionError) as error:
        place = f": {error.msg} in line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        return Problems.of(Problem(f"is no JSON{place}", "check commas, quotes and brackets"))


def _read_document(data: Json) -> Texts | Problems:
    parsed = parse_model(CedarFile, data)
    if isinstance(parsed, Problems):
        return parsed
    texts = (parsed.cedar.policies, parsed.cedar.entities_json)
    return _check(texts, ("cedar", "policies"), ("cedar", "entities_json")) or texts


def _in_key(problem: Problem, ref: KeyRef) -> Problem:
    """A problem of a text within a ConfigMap, which has no places of its own."""
    within = f"{problem.path}: " if problem.loc else ""
    loc: Loc = ("data", ref.key)
    return replace(problem, message=f"{within}{problem.message}", loc=loc, subject=f"ConfigMap/{ref.name}")


def _check(texts: Texts, policies: Loc, entities: Loc) -> Problems:
    return check_policies(texts[0], policies) + check_entities(texts[1], entities)


def _build(texts: Texts, said: AuthzConfig | MCPAuthzConfigSpec) -> Authorization:
    return Authorization(mode=said.mode, policies=texts[0], entities_json=texts[1], group_claims=said.group_claims)
