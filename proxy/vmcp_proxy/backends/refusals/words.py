"""A backend's own words for the log and the status: without secrets, in one line, bounded.

They quote what they were sent, so every value that went there is taken out first. Clients never see them.
"""

import re
from collections.abc import Callable, Iterable
from typing import Final
from urllib.parse import unquote

import msgspec

from vmcp_proxy.http_client import Url
from vmcp_proxy.observability.masking import MASK, Masks
from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.params import InvalidParamsError

_LONGEST: Final = 200
_TOKEN: Final = re.compile(r"(?=[^/]*[0-9])(?=[^/]*[A-Za-z])[^/]{12,}|[^/]{25,}")
"""A part of a path that may be a key: long, or rather long with letters and digits."""

_UNPRINTABLE: Final = re.compile(
    r"[\x00-\x20\x7f-\xa0\u2028\u2029\ud800-\udfff\u200b-\u200f\u202a-\u202e\u2066-\u2069]+"
)


def printable(text: str, longest: int = _LONGEST) -> str:
    """The text in quotes, in one line and cut off; empty for nothing."""
    plain = _UNPRINTABLE.sub(" ", text).strip()
    # A semicolon divides what is wrong from what to do in our messages.
    plain = plain.replace(";", ",").replace("'", '"')
    if not plain:
        return ""
    return f"'{plain}'" if len(plain) <= longest else f"'{plain[: longest - 1]}…'"


def masked(url: Url, headers: Iterable[tuple[bytes, bytes]], text: str) -> str:
    """The text without what these headers, and the query and the path of this URL, may hold of secrets."""
    path, _, query = url.target.decode().partition("?")
    secrets = {value.decode("latin-1") for _, value in headers}
    secrets |= {secret.partition(" ")[2] for secret in secrets}  # a token without its scheme
    secrets |= {part for pair in (*query.split("&"), query) for part in (pair.partition("=")[2], pair)}
    secrets |= {part for part in path.split("/") if _TOKEN.fullmatch(part)}
    return Masks((*secrets, *map(unquote, secrets))).apply(text)


def place(verb: str, url: Url) -> str:
    """What was asked for, to find a typing error in: the path without its query, and without what may be a key."""
    path = url.target.decode().partition("?")[0]
    shown = "/".join(MASK if _TOKEN.fullmatch(part) else part for part in path.split("/"))
    return f"{verb} {shown[:_LONGEST]}"


def words_of_error(error: msgspec.Raw | None, mask: Callable[[str], str]) -> str:
    """What a JSON-RPC error says, with its data: there servers on newer revisions name those that they speak."""
    try:
        members = params.parse_members(error)
        said = params.text_of(members, "message")
    except InvalidParamsError:
        return ""
    data = bytes(members.get("data", b"")).decode("utf-8", "replace")
    return printable(mask(f"{said} {data}" if data not in ("", "null", "{}") else said))
