"""The rules on collectors that take OTLP."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from pydantic.alias_generators import to_snake

from vmcp_api.base import Model
from vmcp_api.headers import RESTRICTED, canonical_name, check_static_header
from vmcp_api.rules.headers import cel_allowed, find_nothing, plain_header_rules
from vmcp_api.rules.rule import Finding, Rule, require
from vmcp_api.spec.telemetry import SensitiveHeader

Test: TypeAlias = Callable[[Any], bool]

_SIGNALS: Final = r"/v1/(traces|metrics|logs)/?$"


NO_ENDPOINT: Final = ("!has(self.endpoint)", lambda part: not part.endpoint)
"""When nothing is sent, in CEL and in Python."""


def otlp_rules(model: type[Model], *, ca: str, unless: tuple[str, Test] = NO_ENDPOINT) -> Iterator[Rule]:
    """The rules on a model with the fields of `OtlpConnection`; ``ca`` names its field with CA certificates.

    ``unless`` says when nothing is sent to the endpoint.
    """
    yield from _endpoint_rules(model, *unless)
    yield require(
        model,
        (ca,),
        f"!has(self.{ca}) || !self.insecure",
        "verifies nothing beside insecure; remove one of the two",
        lambda part: getattr(part, to_snake(ca)) is None or not part.insecure,
    )
    yield from _header_rules(model)


def _endpoint_rules(model: type[Model], off: str, is_off: Test) -> Iterator[Rule]:
    yield require(
        model,
        ("endpoint",),
        f"{off} || !self.endpoint.matches(r'{_SIGNALS}')",
        "names one signal; leave the path of the signal out, it is added for each",
        lambda part: is_off(part) or re.search(_SIGNALS, part.endpoint) is None,
    )
    yield require(
        model,
        ("endpoint",),
        f"{off} || !self.endpoint.startsWith('http://') || self.insecure",
        "goes over the network without TLS; write https, or set insecure",
        lambda part: is_off(part) or not part.endpoint.startswith("http://") or part.insecure,
    )
    yield require(
        model,
        ("insecure",),
        f"{off} || !self.endpoint.startsWith('https://') || !self.insecure",
        "contradicts the endpoint, which says https; remove one of the two",
        lambda part: is_off(part) or not part.endpoint.startswith("https://") or not part.insecure,
    )


def _find_headers(part: Any) -> Iterator[Finding]:
    seen: set[str] = set()
    for name, value in part.headers.items():
        if text := _check(name, value):
            yield ("headers", name), text
        elif name.lower() in seen:
            yield ("headers", name), f"{canonical_name(name)} is set twice (case does not count); remove one of them"
        seen.add(name.lower())
    for index, header in enumerate(part.sensitive_headers):
        if header.name.lower() in seen:
            shown = canonical_name(header.name)
            yield (
                ("sensitiveHeaders", index, "name"),
                f"{shown} is set twice (case does not count); remove one of them",
            )
        seen.add(header.name.lower())


def _check(name: str, value: str | None = None) -> str | None:
    text = check_static_header(name, value)
    return text and text.replace("between the proxy and the backend", "to the collector")


def _find_sensitive(header: SensitiveHeader) -> Iterator[Finding]:
    if text := _check(header.name):
        yield ("name",), text


def _header_rules(model: type[Model]) -> Iterator[Rule]:
    yield from plain_header_rules(
        model, "headers", "a header belongs to the connection to the collector; remove it", find_nothing
    )
    yield Rule(
        model=model,
        cel=(
            "!has(self.sensitiveHeaders) || self.sensitiveHeaders.all(a,"
            " self.sensitiveHeaders.exists_one(b, a.name.lowerAscii() == b.name.lowerAscii())"
            " && (!has(self.headers) || !self.headers.exists(name, name.lowerAscii() == a.name.lowerAscii())))"
        ),
        message="a header is set twice (case does not count); remove one of them",
        find=_find_headers,
    )


OTLP_HEADER_RULES: Final = (
    Rule(
        model=SensitiveHeader,
        field="name",
        cel=cel_allowed("self", RESTRICTED),
        message="belongs to the connection to the collector; remove it",
        find=_find_sensitive,
    ),
)
"""The rules on the parts that every collector shares; they go with those of `otlp_rules`."""
