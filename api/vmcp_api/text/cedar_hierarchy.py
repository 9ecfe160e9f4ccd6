"""How much Cedar has to work out of entities: each has all above it, which a chain makes quadratic."""

from collections.abc import Mapping
from typing import Final, TypeAlias

from vmcp_api.text.cedar_flaw import CedarFlaw

MOST_ANCESTORS: Final = 1 << 16
"""How many ancestors entities may have in sum; Cedar keeps each pair, in some 300 bytes.

Two thousand users in thirty groups each, or a chain of 360, and no chain of the 3 250 that 256 KiB have room for:
that one took 16 s and a gigabyte.
"""

_OF_REQUESTS: Final = frozenset({"Client", "Tool", "Resource", "Prompt"})
_ABOVE_REQUESTS: Final = frozenset({"Group", "THVGroup", "MCP", "Backend"})
"""What requests bring along, and what they put it below of."""

_FORM: Final = "give each of them uid {type, id}, attrs and parents"

Uid: TypeAlias = tuple[str, str]


def find_hierarchy_flaw(entities: list[object]) -> CedarFlaw | None:
    """What keeps entities from being handed to Cedar: another form than that of objects, a circle, too many ancestors.

    A group below a caller, or a backend below a tool, would be a circle with the first request that is below it.

    Cedar takes arrays in the place of objects as well, which nobody writes and nothing else here reads.
    """
    parents: dict[Uid, set[Uid]] = {}
    for index, entity in enumerate(entities):
        read = _read(entity)
        if read is None:
            return CedarFlaw(f"entry [{index}] is no Cedar entity: uid or parents are of another form", _FORM)
        uid, above = read
        parents.setdefault(uid, set()).update(above)
    return _count(parents)


def _read(entity: object) -> tuple[Uid, set[Uid]] | None:
    if not isinstance(entity, dict) or not isinstance(above := entity.get("parents"), list):
        return None
    own = _uid(entity.get("uid"))
    uids = [_uid(each) for each in above]
    known = {each for each in uids if each is not None}
    return None if own is None or None in uids else (own, known)


def _uid(value: object) -> Uid | None:
    match value:
        case {"__entity": inner}:
            value = inner
    match value:
        case {"type": str(kind), "id": str(name)}:
            return kind, name
    return None


def _count(parents: Mapping[Uid, set[Uid]]) -> CedarFlaw | None:
    """Goes from the top down, and ends where the sum is too large: so it costs no more than the bound."""
    below: dict[Uid, list[Uid]] = {}
    waiting = {uid: len(above & parents.keys()) for uid, above in parents.items()}
    for uid, above in parents.items():
        for each in above:
            below.setdefault(each, []).append(uid)
    ready = [uid for uid, count in waiting.items() if not count]
    ancestors: dict[Uid, set[Uid]] = {}
    total = 0
    while ready:
        uid = ready.pop()
        del waiting[uid]
        ancestors[uid] = parents[uid].union(*(ancestors[each] for each in parents[uid] if each in ancestors))
        total += len(ancestors[uid])
        if total > MOST_ANCESTORS:
            remedy = "name the groups above as parents of groups that fewer have, and make no long chains"
            return CedarFlaw(f"has entities with more than {MOST_ANCESTORS} ancestors in all", remedy)
        for each in below.get(uid, ()):
            waiting[each] -= 1
            if not waiting[each]:
                ready.append(each)
    return _circle(parents, waiting) if waiting else _misplaced(ancestors)


def _misplaced(ancestors: Mapping[Uid, set[Uid]]) -> CedarFlaw | None:
    for uid, above in ancestors.items():
        found = sorted(each for each in above if each[0] in _OF_REQUESTS) if uid[0] in _ABOVE_REQUESTS else ()
        if found:
            remedy = f"requests put a {found[0][0]} below a {uid[0]}; let no parents lead back"
            return CedarFlaw(f"has {_shown(uid)} below {_shown(found[0])}", remedy)
    return None


def _shown(uid: Uid) -> str:
    kind, name = uid
    return f'{kind}::"{name}"'


def _circle(parents: Mapping[Uid, set[Uid]], left: Mapping[Uid, int]) -> CedarFlaw:
    """Names an entity of a circle: each that is left has a parent that is left."""
    uid = next(iter(left))
    seen: set[Uid] = set()
    while uid not in seen:
        seen.add(uid)
        uid = next(each for each in parents[uid] if each in left)
    return CedarFlaw(f"has an entity that is its own ancestor: {_shown(uid)}", "let parents lead to no circle")
