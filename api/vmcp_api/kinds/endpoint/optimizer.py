"""Tool search as a VirtualMCPServer says it, with what manifests of ToolHive say of it."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from vmcp_api.base import HeaderName, Seconds, ShortUrl
from vmcp_api.kinds.strategies import EndpointReach
from vmcp_api.spec.optimizer import Decimal, EmbeddingsSettings, OptimizerSettings


class EmbeddingProvider(StrEnum):
    """Whose API `embeddingService` has: that of Text Embeddings Inference, or the one of OpenAI."""

    TEI = "tei"
    OPENAI = "openai"


class EmbeddingsSpec(EndpointReach, EmbeddingsSettings):
    """A server of embeddings, and how it may be reached."""


class VirtualMCPServerOptimizer(OptimizerSettings):
    """Tool search: clients list `find_tool` and `call_tool`, and find the other tools by what they are for."""

    embeddings: Annotated[
        EmbeddingsSpec | None,
        Field(
            description=(
                "Server of embeddings that is asked besides what ranks in the process; absent asks none, which costs"
                " little of what is found."
            )
        ),
    ] = None
    embedding_service: Annotated[
        ShortUrl | None, Field(description="ToolHive's `embeddings.url`; `/v1` is added for the provider tei.")
    ] = None
    embedding_service_timeout: Annotated[
        Seconds | None, Field(gt=0, le=300, description="ToolHive's `embeddings.timeout`.")
    ] = None
    embedding_provider: Annotated[
        EmbeddingProvider | None,
        Field(
            description="Whose API `embeddingService` has; absent: tei, which is asked by its OpenAI-compatible one."
        ),
    ] = None
    embedding_model: Annotated[
        str | None, Field(max_length=256, description="ToolHive's `embeddings.model`; for the provider openai.")
    ] = None
    embedding_headers: Annotated[
        dict[HeaderName, Annotated[str, Field(max_length=8192)]],
        Field(max_length=32, description="ToolHive's `embeddings.headers`."),
    ] = Field(default_factory=dict)
    hybrid_search_semantic_ratio: Annotated[
        Decimal | None,
        Field(description="Taken and without effect: ranks are fused, so that no share has to be chosen."),
    ] = None
    semantic_distance_threshold: Annotated[
        Decimal | None,
        Field(description="Taken and without effect: weak answers are marked, and none is left out."),
    ] = None
