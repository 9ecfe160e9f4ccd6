"""The words of OAuth that several settings share."""

from typing import Annotated, TypeAlias

from pydantic import Field

from vmcp_api.base import ShortUrl

SCOPE_PATTERN = r"^[!#-\[\]-~]+$"

Scope: TypeAlias = Annotated[str, Field(max_length=256, pattern=SCOPE_PATTERN)]
"""One scope (RFC 6749 section 3.3, ``scope-token``)."""

Scopes: TypeAlias = Annotated[tuple[Scope, ...], Field(max_length=64)]

Audience: TypeAlias = Annotated[str, Field(min_length=1, max_length=1024)]
"""Who a token is for: one value of its ``aud`` (RFC 7519 section 4.1.3)."""

ClientId: TypeAlias = Annotated[str, Field(min_length=1, max_length=512)]
"""A client's name at its authorization server."""

Resource: TypeAlias = ShortUrl
"""A resource indicator (RFC 8707 section 2): a URL without fragment."""
