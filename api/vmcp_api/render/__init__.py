"""Pure rendering from resources to what the proxy reads; the same for the operator and local mode."""

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
