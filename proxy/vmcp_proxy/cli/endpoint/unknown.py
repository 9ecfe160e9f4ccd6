"""Names that an endpoint does not list: what may have been meant, or which backend may have them."""

import shlex
from collections.abc import Awaitable, Collection, Mapping
from contextlib import suppress
from typing import Final

from mcp.shared.exceptions import MCPError
from mcp_types import CONNECTION_CLOSED, INVALID_PARAMS, REQUEST_TIMEOUT

from vmcp_api.base import Json
from vmcp_api.text.suggest import suggest
from vmcp_proxy.cli.endpoint.arguments import check_needed
from vmcp_proxy.cli.endpoint.conversation import Conversation, Listing, list_whole
from vmcp_proxy.cli.exits import CommandError, Exit
from vmcp_proxy.cli.output import clean

_TOOL: Final = "tool"
_RESOURCE_NOT_FOUND: Final = -32002
"""Revisions before 2026-07-28 have a code of their own for resources."""

_NO_ANSWER: Final = frozenset({CONNECTION_CLOSED, REQUEST_TIMEOUT})


def unlisted(noun: str, name: str, known: Collection[str], missing: Mapping[str, str]) -> CommandError:
    """What is said of a name that stands in no list; `missing` says by backend why its entries may be missing.

    A backend whose name the wanted one begins with is blamed before a near name is offered; without such a one all
    that are missing may have it.
    """
    owners = [said for backend, said in missing.items() if name.startswith(backend)]
    if owners:
        remedy = "mend that backend, or try again once it is back; `vmcp status` shows it"
        return CommandError(Exit.FAILED, f"there is no {noun} {name!r} yet: {clean('; '.join(owners))}", remedy)
    remedy = suggest(name, known, noun=f"{noun}s")
    if missing:
        remedy += f"; others may be missing: {clean('; '.join(missing.values()))}"
    # One that is hidden, or denied to this caller, stands in no list either; only the admin port tells them apart.
    kind = "" if noun == _TOOL else f" --kind {noun}"
    remedy += f"; `vmcp explain{kind} {shlex.quote(clean(name))}` asks the admin port whether it is hidden or denied"
    return CommandError(Exit.FAILED, f"there is no {noun} {name!r}", remedy)


def names_of(listing: Listing, member: str) -> dict[str, dict[str, Json]]:
    """The entries of a list by their names, those without one left out."""
    entries = [each for each in listing.entries if isinstance(each, dict)]
    return {name: each for each in entries if isinstance(name := each.get(member), str)}


async def prompt_or_hint(conversation: Conversation, name: str, arguments: Mapping[str, str]) -> dict[str, Json]:
    """The answer to `prompts/get`; where the list of prompts says what was wrong, an error that says so too.

    Raises:
        CommandError: there is no such prompt.
        click.UsageError: it needs further arguments.
    """
    try:
        return await conversation.ask("prompts/get", {"name": name, "arguments": dict(arguments)})
    except MCPError as error:
        if error.code in _NO_ANSWER:
            raise
        with suppress(MCPError):
            listing = await list_whole(conversation, "prompts/list", "prompts")
            known = names_of(listing, "name")
            if name in known:
                check_needed(f"Prompt {name!r}", _required(known[name]), arguments)
            elif error.code == INVALID_PARAMS:
                raise unlisted("prompt", name, known, listing.missing) from None
        raise


def _required(prompt: Mapping[str, Json]) -> tuple[str, ...]:
    """The arguments that a prompt must have."""
    told = prompt.get("arguments")
    entries = [each for each in told if isinstance(each, dict)] if isinstance(told, list) else []
    return tuple(name for each in entries if each.get("required") is True and isinstance(name := each.get("name"), str))


async def resource_or_hint(conversation: Conversation, uri: str, asked: Awaitable[dict[str, Json]]) -> dict[str, Json]:
    """The answer to `resources/read`; where the endpoint knows no such resource, an error that offers near URIs.

    A URI that a template may stand for is the backend's to refuse, in its own words.

    Raises:
        CommandError: there is no such resource.
    """
    try:
        return await asked
    except MCPError as error:
        if error.code not in {INVALID_PARAMS, _RESOURCE_NOT_FOUND}:
            raise
        listing = await list_whole(conversation, "resources/list", "resources")
        templates = names_of(
            await list_whole(conversation, "resources/templates/list", "resourceTemplates"), "uriTemplate"
        )
        known = names_of(listing, "uri")
        if uri in known or any(uri.startswith(each.partition("{")[0]) for each in templates):
            raise
        raise unlisted("resource", uri, known, listing.missing) from None
