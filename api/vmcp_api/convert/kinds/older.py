"""Fields that earlier releases of ToolHive wrote otherwise, in `v1alpha1`."""

from typing import Final

from vmcp_api.convert.draft import Draft
from vmcp_api.manifests.problems import Loc

_GROUP: Final[Loc] = ("spec", "groupRef")
_URL: Final[Loc] = ("spec", "remoteURL")
_OUTGOING: Final[Loc] = ("spec", "outgoingAuth")
_BY_REFERENCE: Final = "external_auth_config_ref"


def convert_older_group(draft: Draft) -> None:
    """A `groupRef` that is the name itself; an empty one names no group."""
    name = draft.get(*_GROUP)
    if name == "":
        draft.drop(_GROUP, "names no group")
    elif isinstance(name, str):
        draft.put(_GROUP, _GROUP, {"name": name}, "is an object with name")


def convert_entry(draft: Draft) -> None:
    """A remote server: an MCPServerEntry, which is one here too, or what becomes one."""
    convert_older_group(draft)
    draft.move(_URL, ("spec", "remoteUrl"), "is called remoteUrl")


def convert_older_strategies(draft: Draft) -> None:
    """The strategies of an endpoint's backends, of which the one by reference was spelled otherwise."""
    backends = draft.get(*_OUTGOING, "backends")
    places = [(*_OUTGOING, "backends", name) for name in backends] if isinstance(backends, dict) else []
    for place in ((*_OUTGOING, "default"), *places):
        written: Loc = (*place, "type")
        if draft.get(*written) == _BY_REFERENCE:
            draft.put(written, written, "externalAuthConfigRef", "is written externalAuthConfigRef")
