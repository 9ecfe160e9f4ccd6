"""Tool search: clients list two tools, and find the others by what they are for (ADR-0065).

Fields are named as in ToolHive's `config.optimizer` where they mean the same.
"""

from typing import Annotated, Final, TypeAlias

from pydantic import Field

from vmcp_api.base import LIST_SET, HeaderName, Model, Seconds, ShortUrl
from vmcp_api.spec.network import Reach
from vmcp_api.spec.references import KeyRef

FIND_TOOL: Final = "find_tool"
CALL_TOOL: Final = "call_tool"
SEARCH_TOOLS: Final = (FIND_TOOL, CALL_TOOL)
"""The tools of the search itself, by their names."""

DECIMAL_PATTERN: Final = r"^([0-9]*[.])?[0-9]+$"

Decimal: TypeAlias = Annotated[str, Field(max_length=32, pattern=DECIMAL_PATTERN)]
"""A decimal number as text, such as ``0.5``."""

_PATH: Final = "/embeddings"


class EmbeddingsSettings(Model):
    """A server of embeddings, as resources and the config of a proxy both say it."""

    url: Annotated[
        ShortUrl,
        Field(
            description=(
                "Base URL of an OpenAI-compatible API, such as `https://api.openai.com/v1`; `/embeddings` is added"
                " where it does not end so."
            )
        ),
    ]
    model: Annotated[
        str | None,
        Field(min_length=1, max_length=256, description="Model to ask for; absent names none, as TEI needs none."),
    ] = None
    timeout: Annotated[
        Seconds,
        Field(
            gt=0, le=300, description="Bound of one request; a search that has waited so long is ranked without them."
        ),
    ] = 2.0
    api_key_secret_ref: Annotated[
        KeyRef | None, Field(description="Secret key with the API key, sent as `Authorization: Bearer`.")
    ] = None
    headers: Annotated[
        dict[HeaderName, Annotated[str, Field(max_length=8192)]],
        Field(max_length=32, description="Further headers with the value in the clear; no credentials here."),
    ] = Field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        """Where vectors are asked for: the URL with ``/embeddings`` as the end of its path."""
        base, mark, query = self.url.partition("?")
        base = base.rstrip("/")
        return (base if base.endswith(_PATH) else base + _PATH) + mark + query


class Embeddings(Reach, EmbeddingsSettings):
    """A server of embeddings, as a proxy is told."""


class OptimizerSettings(Model):
    """How tools are listed and found, as resources and the config of a proxy both say it."""

    enabled: Annotated[
        bool, Field(description="Whether clients list `find_tool` and `call_tool` in place of all tools.")
    ] = True
    threshold: Annotated[
        int,
        Field(ge=0, le=10_000, description="Fewer tools than this, as a caller sees them, are listed as they are."),
    ] = 20
    always_visible: Annotated[
        tuple[Annotated[str, Field(min_length=1, max_length=128)], ...],
        Field(
            max_length=64,
            description="Tools that stay listed, by the names that clients see.",
            json_schema_extra=LIST_SET,
        ),
    ] = ()
    max_tools_to_return: Annotated[int, Field(ge=1, le=50, description="Most tools that one search answers.")] = 8
    description: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=4096,
            description="Description of `find_tool`, in place of one that names the backends.",
        ),
    ] = None


class Optimizer(OptimizerSettings):
    """Tool search, as a proxy is told."""

    embeddings: Annotated[
        Embeddings | None, Field(description="Server of embeddings that is asked besides what ranks in the process.")
    ] = None
