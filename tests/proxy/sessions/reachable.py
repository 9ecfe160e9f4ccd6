"""A search through everything that an object holds, at any depth."""

import asyncio
import functools
import gc
import logging
import re
import sys
from collections.abc import Collection
from types import BuiltinFunctionType, FunctionType, ModuleType

from tests.support import heap

_TEXTS = (str, bytes, bytearray, memoryview)
_LEAVES = (type, ModuleType, BuiltinFunctionType, asyncio.AbstractEventLoop, logging.Logger, int, float, type(None))


def paths_to(secret: bytes | Collection[bytes], root: object) -> list[str]:
    """Ways from `root` to texts and byte strings that contain the secret, or one of several, as names of types.

    The event loop is where a search ends: it knows every task of the process, those of the test too.
    """
    secrets = (secret,) if isinstance(secret, bytes) else tuple(secret)
    texts = tuple(each.decode() for each in secrets)
    gc.collect()
    modules = {id(vars(module)) for module in list(sys.modules.values())}
    roles: dict[type, str] = {}
    came_from: dict[int, object] = {id(root): None}
    found, waiting = [], [root]
    while waiting:
        holder = waiting.pop()
        for thing in _held_by(holder):
            role = roles.get(type(thing)) or roles.setdefault(type(thing), _role(type(thing)))
            if role == "text":
                if any(each in thing for each in texts) if isinstance(thing, str) else _has(secrets, thing):
                    found.append(_path(came_from, holder))
            elif role == "holder" and id(thing) not in came_from and id(thing) not in modules:
                came_from[id(thing)] = holder
                waiting.append(thing)
    return found


def _role(kind: type) -> str:
    if issubclass(kind, _TEXTS):
        return "text"
    return "leaf" if issubclass(kind, _LEAVES) else "holder"


def _has(secrets: Collection[bytes], thing: bytes | bytearray | memoryview) -> bool:
    value = bytes(thing)
    return any(each in value for each in secrets)


def _path(came_from: dict[int, object], holder: object) -> str:
    names = []
    while holder is not None:
        names.append(type(holder).__name__)
        holder = came_from[id(holder)]
    return " > ".join(reversed(names))


def remembered(*secrets: bytes) -> list[object]:
    """Texts with a secret in them among the arguments and results that functions remember, those of `re` included."""
    forms = {*secrets, *map(re.escape, secrets)}
    texts = [each.decode() for each in forms]
    waiting: list[object] = [vars(re).get(name) for name in ("_cache", "_cache2")]
    waiting += [each for each in heap.objects() if isinstance(each, functools._lru_cache_wrapper)]
    found = []
    while waiting:
        for thing in gc.get_referents(waiting.pop()):
            if isinstance(thing, str):
                found += [thing for each in texts if each in thing]
            elif isinstance(thing, _TEXTS):
                found += [thing] if _has(forms, thing) else []
            elif isinstance(thing, dict | tuple | frozenset | re.Pattern):
                waiting.append(thing)
    return found


def holders_of(*secrets: bytes) -> list[str]:
    """The types of what holds bytes with a secret in them, in the whole process; not the arguments themselves."""
    found = {id(each) for each in heap.held_with(*secrets)}
    if not found:
        return []
    return [
        f"{type(each).__module__}.{type(each).__qualname__}"
        for each in heap.objects()
        for value in gc.get_referents(each)
        if id(value) in found
    ]


def _held_by(holder: object) -> list[object]:
    if isinstance(holder, FunctionType):
        # What a function of a module refers to by name is everybody's.
        return [holder.__closure__, holder.__defaults__, holder.__kwdefaults__]
    return gc.get_referents(holder)
