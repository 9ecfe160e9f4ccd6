"""MCPAuthzConfig, and the policies of an endpoint: the same Cedar, and claims of groups in one list."""

from collections.abc import Mapping
from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.manifests.problems import Loc
from vmcp_api.manifests.toolhive import may_name_groups

_DEFAULTS: Final = ("groups", "roles", "cognito:groups")
"""Claims that ToolHive takes for groups where none is named."""

_GROUP_TYPES: Final = ("THVGroup", "Group")
_CLAIMS: Final = (
    "is what ToolHive takes for groups, by the first that a token has; here all count: leave out what your provider"
    " does not use"
)


def convert_authz_config(draft: Draft) -> None:
    """An MCPAuthzConfig."""
    config: Loc = ("spec", "config")
    written = {"group": "group_claim_name", "role": "role_claim_name", "type": "group_entity_type"}
    _convert_claims(draft, {part: (*config, key) for part, key in written.items()}, ("spec",))


def convert_policies(draft: Draft) -> None:
    """What a VirtualMCPServer says of what callers may do."""
    authz: Loc = ("spec", "incomingAuth", "authzConfig")
    written = {"group": "groupClaimName", "role": "roleClaimName", "type": "groupEntityType"}
    for holder in ((*authz, "inline"), authz):
        is_last = holder == authz
        _convert_claims(draft, {part: (*holder, key) for part, key in written.items()}, authz, adds=is_last)


def _convert_claims(draft: Draft, places: Mapping[str, Loc], holder: Loc, *, adds: bool = True) -> None:
    claims: Loc = (*holder, "groupClaims")
    for part in ("group", "role"):
        place = places[part]
        name = draft.get(*place)
        if isinstance(name, str) and name:
            draft.append(claims, name, place)
            draft.drop(place, "is an entry of groupClaims: roles are groups here")
    if draft.get(*places["type"]) in _GROUP_TYPES:
        draft.drop(places["type"], "is so without: policies may write Group and THVGroup")
    policies = draft.get(*holder)
    if adds and not draft.has(claims) and isinstance(policies, dict) and may_name_groups(policies):
        draft.add(claims, list(_DEFAULTS), _CLAIMS)
