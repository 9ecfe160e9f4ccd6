"""What the model reads of a tool."""

from hashlib import blake2b
from typing import Final

import msgspec

from vmcp_proxy.search.ranking.tool_text import ToolText

MAX_PASSAGE: Final = 1_500
"""Characters of a passage or a query that are sent; most models read about 512 tokens."""
SHORT_PASSAGE: Final = 300
"""Characters of a passage that was refused as it was."""

_DIGEST_BYTES: Final = 16


class Passage(msgspec.Struct, frozen=True, gc=False):
    """The text of one tool for the model; `digest` is equal for equal texts."""

    text: str
    digest: bytes


def write_passage(text: ToolText) -> Passage:
    """One passage for the name, the server, the title and the beginning of the description of a tool."""
    name = f"{text.name} ({text.server})" if text.server else text.name
    # Half a surrogate pair cannot be sent.
    said = f"{name}: {text.title} {text.description}"[:MAX_PASSAGE].encode("utf-8", "replace")
    return Passage(said.decode(), digest_of_text(said))


def digest_of_text(said: bytes) -> bytes:
    """What a vector is kept by."""
    return blake2b(said, digest_size=_DIGEST_BYTES).digest()
