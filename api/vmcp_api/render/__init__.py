"""Pure rendering from resources to what the proxy reads; the same for the operator and local mode.

A proxy in a pod reads what was rendered and renders nothing: each name is imported when it is first asked for.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from vmcp_api.render.codec import config_hash, decode_config, encode_config
    from vmcp_api.render.rendered import Mode, Rendered, Unguarded
    from vmcp_api.render.secretrefs import secret_refs, secret_uses
    from vmcp_api.render.server import render, render_parts

__all__ = [
    "Mode",
    "Rendered",
    "Unguarded",
    "config_hash",
    "decode_config",
    "encode_config",
    "render",
    "render_parts",
    "secret_refs",
    "secret_uses",
]

_MODULES: Final = {
    "Mode": "rendered",
    "Rendered": "rendered",
    "Unguarded": "rendered",
    "config_hash": "codec",
    "decode_config": "codec",
    "encode_config": "codec",
    "render": "server",
    "render_parts": "server",
    "secret_refs": "secretrefs",
    "secret_uses": "secretrefs",
}


def __getattr__(name: str) -> object:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{module}"), name)
