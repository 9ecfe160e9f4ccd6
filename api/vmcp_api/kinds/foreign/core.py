"""Secret and ConfigMap of the core API, as far as references read them."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass

from vmcp_api.base import Json
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.secret import SecretBytes


@dataclass(frozen=True, slots=True)
class ConfigMap:
    """Text by key."""

    name: str
    namespace: str
    data: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Secret:
    """Hidden bytes by key."""

    name: str
    namespace: str
    data: Mapping[str, SecretBytes]


def parse_config_map(name: str, namespace: str, data: Mapping[str, Json]) -> ConfigMap | Problems:
    """A ConfigMap from its document; ``binaryData`` is passed over."""
    values, problems = _texts(data, "data")
    return problems or ConfigMap(name, namespace, values)


def parse_secret(name: str, namespace: str, data: Mapping[str, Json]) -> Secret | Problems:
    """A Secret from its document; ``stringData`` wins over ``data``, as in Kubernetes."""
    encoded, problems = _texts(data, "data")
    plain, more = _texts(data, "stringData")
    problems += more
    values: dict[str, SecretBytes] = {}
    for key, text in encoded.items():
        try:
            values[key] = SecretBytes(base64.b64decode("".join(text.split()), validate=True))
        except (binascii.Error, ValueError):
            problems += _problem(("data", key), "is not base64", "encode it or write it under stringData")
    values.update({key: SecretBytes(text.encode()) for key, text in plain.items()})
    return problems or Secret(name, namespace, values)


def _texts(data: Mapping[str, Json], part: str) -> tuple[dict[str, str], Problems]:
    written = data.get(part)
    if written is None:
        return {}, Problems()
    if not isinstance(written, dict):
        return {}, _problem((part,), "must be a mapping", "write key: value lines")
    wrong = [key for key, text in written.items() if not isinstance(text, str)]
    problems = Problems.join(_problem((part, key), "must be text", "put the value in quotes") for key in wrong)
    return {key: text for key, text in written.items() if isinstance(text, str)}, problems


def _problem(loc: Loc, message: str, remedy: str) -> Problems:
    return Problems.of(Problem(message, remedy, loc))
