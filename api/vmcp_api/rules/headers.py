"""The rules on header names, values and repetitions."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from vmcp_api.base import Model
from vmcp_api.headers import (
    MCP_PREFIX,
    RESTRICTED,
    canonical_name,
    check_passthrough_names,
    check_static_header,
)
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerSpec
from vmcp_api.rules.rule import Finding, Rule
from vmcp_api.spec.headers import HeaderForward, HeaderFromSecret


def cel_allowed(subject: str, names: Iterable[str]) -> str:
    """CEL that holds for a name which is not among some and none of MCP's own."""
    listed = ", ".join(f"'{name}'" for name in sorted(names))
    lower = f"{subject}.lowerAscii()"
    return f"!({lower} in [{listed}]) && !{lower}.startsWith('{MCP_PREFIX}')"


def _find_passthrough(spec: VirtualMCPServerSpec) -> Iterator[Finding]:
    for index, text in check_passthrough_names(spec.passthrough_headers):
        yield ("passthroughHeaders", index), text


def _find_static(forward: HeaderForward) -> Iterator[Finding]:
    for name, value in forward.add_plaintext_headers.items():
        if text := check_static_header(name, value):
            yield ("addPlaintextHeaders", name), text
    yield from _find_repeated(forward)


def _find_repeated(forward: HeaderForward) -> Iterator[Finding]:
    seen: set[str] = set()
    places = [(("addPlaintextHeaders", name), name) for name in forward.add_plaintext_headers] + [
        (("addHeadersFromSecret", index, "headerName"), header.header_name)
        for index, header in enumerate(forward.add_headers_from_secret)
    ]
    for loc, name in places:
        if name.lower() in seen:
            yield loc, f"{canonical_name(name)} is set twice (case does not count); remove one of them"
        seen.add(name.lower())


def _find_secret(header: HeaderFromSecret) -> Iterator[Finding]:
    if text := check_static_header(header.header_name):
        yield ("headerName",), text


def find_nothing(_: object) -> Iterator[Finding]:
    """Of a CEL rule whose Python is part of another one's."""
    return iter(())


def plain_header_rules(
    model: type[Model], field: str, restricted: str, find: Callable[[Any], Iterable[Finding]]
) -> Iterator[Rule]:
    """The rules on a map of headers with values in the clear; ``find`` says all of them in Python.

    ``restricted`` is what is answered to a name that belongs to the connection.
    """
    yield Rule(
        model=model,
        field=field,
        cel="self.all(name, name.size() <= 128 && name.matches('^[!#$%&\\'*+.^_`|~0-9A-Za-z-]+$'))",
        message="a header name has at most 128 letters, digits and hyphens, such as X-Api-Key; write one",
        find=find,
    )
    yield Rule(
        model=model,
        field=field,
        cel=f"self.all(name, {cel_allowed('name', RESTRICTED)})",
        message=restricted,
        find=find_nothing,
    )
    yield Rule(
        model=model,
        field=field,
        cel=(
            "self.all(name, self[name].matches("
            "'^[\\\\x09\\\\x20-\\\\x7e]*[\\\\x21-\\\\x7e][\\\\x09\\\\x20-\\\\x7e]*$'))"
        ),
        message="a header value is empty or holds a line break, control character or non-ASCII text; write it anew",
        find=find_nothing,
    )


HEADER_RULES: Final = (
    Rule(
        model=VirtualMCPServerSpec,
        field="passthroughHeaders",
        each=True,
        cel=cel_allowed("self", RESTRICTED),
        message="is never passed on: it belongs to the connection or to MCP; remove it",
        find=_find_passthrough,
    ),
    Rule(
        model=VirtualMCPServerSpec,
        field="passthroughHeaders",
        each=True,
        cel="!(self.lowerAscii() in ['authorization', 'cookie'])",
        message=(
            "is never passed on to all backends: it carries the client's credentials for this endpoint; remove it, and"
            " give it to one backend with relay in outgoingAuth.backends"
        ),
        find=find_nothing,
    ),
    Rule(
        model=VirtualMCPServerSpec,
        field="passthroughHeaders",
        cel="self.all(a, self.exists_one(b, a.lowerAscii() == b.lowerAscii()))",
        message="a header is listed twice (case does not count); remove one of them",
        find=find_nothing,
    ),
    *plain_header_rules(
        HeaderForward,
        "addPlaintextHeaders",
        "a header belongs to the connection to the backend or to MCP; remove it",
        _find_static,
    ),
    Rule(
        model=HeaderFromSecret,
        field="headerName",
        cel=cel_allowed("self", RESTRICTED),
        message="belongs to the connection to the backend or to MCP; remove it",
        find=_find_secret,
    ),
    Rule(
        model=HeaderForward,
        cel=(
            "!has(self.addHeadersFromSecret) || self.addHeadersFromSecret.all(a,"
            " self.addHeadersFromSecret.exists_one(b, a.headerName.lowerAscii() == b.headerName.lowerAscii())"
            " && (!has(self.addPlaintextHeaders) ||"
            " !self.addPlaintextHeaders.exists(name, name.lowerAscii() == a.headerName.lowerAscii())))"
        ),
        message="a header is set twice (case does not count); remove one of them",
        find=find_nothing,
    ),
)
"""The rules on headers; one Python search may stand for several CEL rules, and is named at the first."""
