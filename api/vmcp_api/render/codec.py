"""The config as text: stable JSON, its hash, and back."""

import hashlib
import json
from typing import Any, Final

from vmcp_api.config import CONTRACT, ProxyConfig
from vmcp_api.manifests.parse import parse_model
from vmcp_api.manifests.problems import Problem, Problems

HASH_LENGTH: Final = 16
"""Hexadecimal digits of a config's hash."""


def encode_config(config: ProxyConfig) -> str:
    """Canonical JSON of a config: equal configs give equal text.

    Defaults are left out, so that a proxy of the same contract reads what an operator with more fields
    writes, as long as those are not in use.
    """
    data: dict[str, Any] = config.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return json.dumps({"contract": config.contract, **data}, sort_keys=True, separators=(",", ":"))


def config_hash(config: ProxyConfig) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of the canonical JSON."""
    return hashlib.sha256(encode_config(config).encode()).hexdigest()[:HASH_LENGTH]


def decode_config(text: str, source: str) -> ProxyConfig | Problems:
    """A config from its JSON; ``source`` names the file in problems."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = error.lineno if isinstance(error, json.JSONDecodeError) else None
        return Problems.of(Problem("is no JSON", "let it be written again", file=source, line=line))
    if isinstance(data, dict) and data.get("contract") != CONTRACT:
        remedy = "run a proxy and an operator of the same release"
        message = f"is of another contract than {CONTRACT}"
        return Problems.of(Problem(message, remedy, ("contract",), file=source))
    parsed = parse_model(ProxyConfig, data)
    if isinstance(parsed, Problems):
        return parsed.in_file(source)
    return parsed
