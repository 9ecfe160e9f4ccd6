"""A search through everything that an object holds, at any depth."""

import asyncio
import gc
import logging
import sys
from collections.abc import Collection
from types import BuiltinFunctionType, FunctionType, ModuleType

from tests.support import heap

_LEAVES = (type, ModuleType, BuiltinFunctionType, asyncio.AbstractEventLoop, logging.Logger)


def paths_to(secret: bytes | Collection[bytes], root: object) -> list[str]:
    """Ways from `root` to texts and byte strings that contain the secret, or one of several, as names of types.

    The event loop is where a search ends: it knows every task of the process, those of the test too.
    """
    secrets = (secret,) if isinstance(secret, bytes) else tuple(secret)
    gc.collect()
    modules = {id(vars(module)) for module in list(sys.modules.values())}
    seen, found = {id(root)}, []
    waiting = [(root, type(root).__name__)]
    while waiting:
        holder, path = waiting.pop()
        for thing in _held_by(holder):
            if isinstance(thing, str | bytes | bytearray | memoryview):
                value = thing.encode(errors="replace") if isinstance(thing, str) else bytes(thing)
                found += [path] if any(each in value for each in secrets) else []
            elif id(thing) not in seen and id(thing) not in modules and not isinstance(thing, _LEAVES):
                seen.add(id(thing))
                waiting.append((thing, f"{path} > {type(thing).__name__}"))
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
