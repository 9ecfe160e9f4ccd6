"""Principal, action and resource of a request as Cedar's entities, beside those that the config tells of."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from cedarpy import Entities

from vmcp_api.text.cedar_text import find_entities_flaw, uids_in
from vmcp_proxy.auth.claims import SCOPES, find_claim
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.policy.cedar.hierarchy import Entity, Hierarchy, uid_of
from vmcp_proxy.core.policy.cedar.policies import PolicyError
from vmcp_proxy.core.policy.cedar.reads import Reads, Uid
from vmcp_proxy.core.policy.cedar.values import UnholdableError, to_value
from vmcp_proxy.core.policy.questions import Action
from vmcp_proxy.protocol.annotations import NO_ANNOTATIONS, Annotations, hints_of

CLAIM: Final = "claim_"
CLAIM_SET: Final = "claimset_"
PRINCIPAL: Final = "Client"
GROUPS: Final = ("Group", "THVGroup")
"""Types of a caller's groups: ours, and that which policies of ToolHive name."""

TYPE_ON: Final[Mapping[Action, str]] = {
    Action.CALL_TOOL: "Tool",
    Action.READ_RESOURCE: "Resource",
    Action.GET_PROMPT: "Prompt",
}
_FEATURE_ON: Final[Mapping[Action, tuple[str, str]]] = {
    Action.CALL_TOOL: ("call", "tool"),
    Action.READ_RESOURCE: ("read", "resource"),
    Action.GET_PROMPT: ("get", "prompt"),
}


class Principal(msgspec.Struct, frozen=True):
    """A caller: the entity, what the context says of it, and claims that policies read and Cedar cannot hold."""

    entity: Entity
    claims: Mapping[str, object]
    ill: frozenset[str]


class Thing(msgspec.Struct, frozen=True, gc=False):
    """What is asked for, as far as policies can see it; no backend where nothing bears the name, or the proxy itself.

    `original` is what its backend calls it; where nothing bears the name, the name again.
    """

    action: Action
    name: str
    original: str
    backend: str | None
    annotations: Annotations = NO_ANNOTATIONS


class World:
    """The entities of a config; what it tells of those that a request brings along is joined with them.

    `opened` are those that policies name to read what they hold, or are below of.

    Raises:
        PolicyError: the text is no list of entities.
    """

    def __init__(self, text: str, server: str, group_claims: Sequence[str], opened: Iterable[Uid] = ()) -> None:
        told = _parse(text)
        self._server = server
        self._group_claims = tuple(group_claims)
        self._opened = frozenset(opened)
        # Once all together, so that what is wrong with one comes out now.
        _handle(json.dumps(told))
        self._hierarchy = Hierarchy(told)
        self.uids: Final = frozenset(uids_in(told))
        self.parents: Final = frozenset((parent["type"], parent["id"]) for each in told for parent in each["parents"])
        self._resources = [each for each in told if each["uid"]["type"] in TYPE_ON.values()]

    def attributes(self, *actions: Action) -> frozenset[str]:
        """The attributes that some resource of these actions has by the config's word."""
        kinds = {TYPE_ON[action] for action in actions}
        return frozenset(attr for each in self._resources if each["uid"]["type"] in kinds for attr in each["attrs"])

    def principal(self, identity: Identity, reads: Reads) -> Principal:
        """The caller, with the claims that policies read."""
        claims, ill = _claims(identity.claims, reads)
        groups = _groups(identity.claims, self._group_claims)
        parents = [_uid(kind, name) for name in groups for kind in GROUPS]
        return Principal(_entity(_uid(PRINCIPAL, _clean(identity.subject)), claims, parents), claims, ill)

    def resource(self, thing: Thing) -> Entity:
        """What is asked for; the attributes are those of the backend and of the settings, never the caller's."""
        operation, feature = _FEATURE_ON[thing.action]
        name = _clean(thing.name)
        attributes: dict[str, object] = {**hints_of(thing.annotations)}
        attributes |= {"name": name, "original": _clean(thing.original), "backend": thing.backend or ""}
        attributes |= {"operation": operation, "feature": feature}
        if thing.action is Action.READ_RESOURCE:
            attributes["uri"] = name
        parents = [_uid("MCP", self._server)]
        if thing.backend is not None:
            parents.append(_uid("Backend", thing.backend))
        return _entity(_uid(TYPE_ON[thing.action], name), attributes, parents)

    def entities(self, principal: Principal, thing: Thing) -> Entities:
        """All entities that evaluating one request can come to."""
        action = _entity(_uid("Action", thing.action.value), {"operation": thing.action.value}, [])
        own = {uid_of(each): each for each in (principal.entity, action, self.resource(thing))}
        joined = {uid: _joined(each, self._hierarchy.get(uid)) for uid, each in own.items()}
        return _handle(self._hierarchy.around(joined, self._opened))


def _clean(text: str) -> str:
    """Half a surrogate pair, which JSON may hold, stands in no UTF-8; U+FFFD takes its place."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _entity(uid: Mapping[str, str], attributes: Mapping[str, object], parents: Sequence[object]) -> Entity:
    return {"uid": dict(uid), "attrs": dict(attributes), "parents": list(parents)}


def _joined(own: Entity, told: Entity | None) -> Entity:
    """A request's entity with what the config tells of it; the request's own attributes win."""
    if told is None:
        return own
    parents = [*own["parents"], *(each for each in told["parents"] if each not in own["parents"])]
    return {**told, "uid": own["uid"], "attrs": {**told["attrs"], **own["attrs"]}, "parents": parents}


def _handle(text: str) -> Entities:
    try:
        return Entities.from_json_str(text)
    except ValueError as error:
        raise PolicyError(f"entitiesJson: {error}") from None


def _parse(text: str) -> list[Entity]:
    flaw = find_entities_flaw(text)
    if flaw is not None:
        raise PolicyError(f"entitiesJson: {flaw}; {flaw.remedy}")
    told: list[Entity] = json.loads(text)
    # Cedar takes each name with an escape around it, or without.
    return [
        {**each, "uid": _plain(each["uid"]), "parents": [_plain(parent) for parent in each["parents"]]} for each in told
    ]


def _plain(uid: dict[str, Any]) -> dict[str, Any]:
    inner = uid.get("__entity", uid)
    return {"type": inner["type"], "id": inner["id"]}


def _claims(claims: Mapping[str, Any], reads: Reads) -> tuple[dict[str, object], frozenset[str]]:
    """The claims that policies read, by attribute, and the attributes that Cedar cannot hold; null is absent."""
    wanted = [CLAIM + name for name in claims] if reads.whole else []
    held: dict[str, object] = {}
    ill: set[str] = set()
    for attribute in {*reads.attributes, *wanted}:
        if attribute.startswith(CLAIM):
            value = claims.get(attribute.removeprefix(CLAIM))
        elif attribute.startswith(CLAIM_SET):
            value = _elements(claims.get(attribute.removeprefix(CLAIM_SET)))
        else:
            continue
        if value is None:
            continue
        try:
            held[attribute] = to_value(value, null_is_absent=True)
        except UnholdableError:
            ill.add(attribute)
    return held, frozenset(ill)


def _elements(value: object) -> list[str] | None:
    """The texts of an array, or of a text with blanks between them, as scopes are told in either way."""
    match value:
        case str():
            return value.split()
        case list() | tuple():
            return [each for each in value if isinstance(each, str)]
        case _:
            return None


def _groups(claims: Mapping[str, Any], named: Sequence[str]) -> tuple[str, ...]:
    """The caller's groups in all of the claims that are named."""
    found = [_clean(group) for name in named for group in _names_in(name, find_claim(claims, name))]
    return tuple(dict.fromkeys(found))


def _names_in(claim: str, value: object) -> list[str]:
    """The groups of a claim; a text is one of them, but for scopes: no separator is one that no group's name holds."""
    match value:
        case str():
            return value.split() if claim in SCOPES else [value] if value else []
        case list() | tuple():
            return [each for each in value if isinstance(each, str) and each]
        case _:
            return []
