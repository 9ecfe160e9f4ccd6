"""A search through everything that an object holds, at any depth."""

import asyncio
import gc
import logging
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType

_LEAVES = (type, ModuleType, BuiltinFunctionType, asyncio.AbstractEventLoop, logging.Logger)


def paths_to(secret: bytes, root: object) -> list[str]:
    """Ways from `root` to texts and byte strings that contain the secret, as names of types.

    The event loop is where a search ends: it knows every task of the process, those of the test too.
    """
    gc.collect()
    modules = {id(vars(module)) for module in list(sys.modules.values())}
    seen, found = {id(root)}, []
    waiting = [(root, type(root).__name__)]
    while waiting:
        holder, path = waiting.pop()
        for thing in _held_by(holder):
            if isinstance(thing, str | bytes | bytearray | memoryview):
                if secret in (thing.encode(errors="replace") if isinstance(thing, str) else bytes(thing)):
                    found.append(path)
            elif id(thing) not in seen and id(thing) not in modules and not isinstance(thing, _LEAVES):
                seen.add(id(thing))
                waiting.append((thing, f"{path} > {type(thing).__name__}"))
    return found


def _held_by(holder: object) -> list[object]:
    if isinstance(holder, FunctionType):
        # What a function of a module refers to by name is everybody's.
        return [holder.__closure__, holder.__defaults__, holder.__kwdefaults__]
    return gc.get_referents(holder)
