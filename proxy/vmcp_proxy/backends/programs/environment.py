"""What a program inherits from this process, and which of that may be a secret."""

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import unquote

_NAMES: Final = frozenset(
    {
        *("HOME", "LANG", "LC_ALL", "LC_CTYPE", "LOGNAME", "PATH", "SHELL", "TERM", "TMPDIR", "TZ", "USER"),
        *("XDG_CACHE_HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_RUNTIME_DIR", "XDG_STATE_HOME"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "GIT_SSL_CAINFO", "DENO_CERT"),
        *("NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA", "NODE_USE_ENV_PROXY", "DENO_TLS_CA_STORE"),
        *("DOCKER_HOST", "DOCKER_CONFIG", "DOCKER_CONTEXT", "DOCKER_CERT_PATH", "DOCKER_TLS_VERIFY", "CONTAINER_HOST"),
        "VMCP_SERVED",
        *("GOPROXY", "GONOPROXY", "GOPRIVATE", "GOSUMDB", "GONOSUMDB"),
    }
)
_IN_BOTH_CASES: Final = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})
_PREFIXES: Final = ("UV_", "PIP_")
_NPM: Final = "npm_config_"
"""npm reads these in any case."""
_WITHHELD: Final = ("UV_PUBLISH_",)
"""Credentials for publishing: no server needs them."""

_SECRET_NAME: Final = re.compile(
    r"pass(word|wd|phrase)?\b|passw(or)?d|token|secret|credential|auth|bearer|(api|access|private)[-_]?key|[-_]key$",
    re.IGNORECASE,
)
_USER_INFO: Final = re.compile(r"://([^/@\s]+)@")
_HEADER: Final = re.compile(r"([A-Za-z0-9-]+):\s*(\S.*)")


def inherited(base: Mapping[str, str]) -> dict[str, str]:
    """The part of an environment that every program gets.

    That is what a shell has at its least, and what package runners need to reach their registries in a company's
    network: proxies, certificates, package indexes.
    """
    return {name: value for name, value in base.items() if _is_inherited(name)}


def _is_inherited(name: str) -> bool:
    lower = name.lower()
    if lower in _IN_BOTH_CASES or lower.startswith(_NPM):
        return True
    return name in _NAMES or (name.startswith(_PREFIXES) and not name.startswith(_WITHHELD))


def find_inherited_secrets(environment: Mapping[str, str]) -> Iterator[str]:
    """Values among the inherited variables, or parts of them, that must not be shown."""
    for name, value in environment.items():
        if name in _NAMES:
            continue
        if _SECRET_NAME.search(name):
            yield value
        yield from _user_infos(value)


def find_argument_secrets(words: tuple[str, ...]) -> Iterator[str]:
    """Words of a command line, or parts of them, that an option or a header's name says to be a secret."""
    before = ""
    for word in words:
        name, is_assigned, value = word.partition("=")
        if is_assigned and _SECRET_NAME.search(name):
            yield value
        elif before.startswith("-") and not word.startswith("-") and _SECRET_NAME.search(before):
            yield word
        if (header := _HEADER.fullmatch(word)) is not None and _SECRET_NAME.search(header[1]):
            yield header[2]
            yield header[2].split()[-1]
        yield from _user_infos(word)
        before = "" if is_assigned else word


def _user_infos(text: str) -> Iterator[str]:
    for found in _USER_INFO.findall(text):
        user, _, password = found.partition(":")
        secret = password or user
        yield from (found, unquote(found), secret, unquote(secret))
