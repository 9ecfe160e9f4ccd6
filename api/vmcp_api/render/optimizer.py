"""The tool search of an endpoint, with what manifests of ToolHive say of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import ValidationError
from pydantic.alias_generators import to_camel

from vmcp_api.base import Model
from vmcp_api.kinds import VirtualMCPServer
from vmcp_api.kinds.endpoint.optimizer import EmbeddingProvider, EmbeddingsSpec, VirtualMCPServerOptimizer
from vmcp_api.kinds.virtualmcpserver import VirtualMCPServerSpec
from vmcp_api.manifests.problems import Loc, Problem, Problems
from vmcp_api.manifests.resolve import check_secret, find_unsendable
from vmcp_api.manifests.resources import Resources
from vmcp_api.naming import PROXY_CONTAINER
from vmcp_api.render.member import Refusal, refuse_bundle
from vmcp_api.render.reach import endpoint_reach
from vmcp_api.render.reasons import Reason
from vmcp_api.render.rendered import Mode
from vmcp_api.spec.optimizer import SEARCH_TOOLS, Embeddings, EmbeddingsSettings, Optimizer, OptimizerSettings
from vmcp_api.spec.references import KeyRef

EMBEDDINGS: Final[Loc] = ("spec", "config", "optimizer", "embeddings")
"""Where a VirtualMCPServer says which server of embeddings is asked."""

API_KEY_VARIABLE: Final = "OPENAI_API_KEY"
"""The variable of the proxy's container in which ToolHive reads the API key."""

_TEI_PATH: Final = "/v1"
"""Where Text Embeddings Inference has its OpenAI-compatible API."""

_OPTIMIZER: Final[Loc] = ("spec", "config", "optimizer")

_WITHOUT_EFFECT: Final = {
    "hybrid_search_semantic_ratio": "ranks are fused, so that there is no share to choose",
    "semantic_distance_threshold": "weak answers are marked, and none is left out",
}
_OF_SERVICE: Final = ("embedding_service_timeout", "embedding_provider", "embedding_model", "embedding_headers")


@dataclass(frozen=True, slots=True)
class ToolSearch:
    """The tool search that is served; None where all tools are listed as they are.

    ``refused`` says why the server of embeddings is not asked; it is among the warnings, too.
    """

    optimizer: Optimizer | None = None
    refused: Refusal | None = None
    warnings: Problems = field(default_factory=Problems)


def build_tool_search(vmcp: VirtualMCPServer, resources: Resources, mode: Mode, live: Optimizer | None) -> ToolSearch:
    """The tool search of an endpoint.

    While the server of embeddings cannot be told, the one of ``live`` is asked, which is in force, or none: what makes
    a ranking better must not stop what serves.
    """
    settings = settings_of(vmcp.spec)
    if settings is None:
        return ToolSearch()
    embeddings = embeddings_of(vmcp.spec)
    refusal = _refuse(embeddings, resources) if embeddings else None
    told: Embeddings | None = None
    if refusal:
        told = live.embeddings if live else None
    elif embeddings:
        told = _embeddings(embeddings, resources, mode)
    found = Problems(tuple(_doubts(vmcp.spec, settings))) + (Problems.of(refusal.problem) if refusal else Problems())
    return ToolSearch(
        Optimizer(embeddings=told, **_fields(settings, OptimizerSettings)),
        refusal,
        found.as_warnings().about(f"VirtualMCPServer/{vmcp.metadata.name}"),
    )


def settings_of(spec: VirtualMCPServerSpec) -> VirtualMCPServerOptimizer | None:
    """What a VirtualMCPServer says of tool search; as in ToolHive, a reference to an EmbeddingServer is enough."""
    if spec.config.optimizer is None and spec.embedding_server_ref:
        return VirtualMCPServerOptimizer()
    return spec.config.optimizer


def embeddings_of(spec: VirtualMCPServerSpec) -> EmbeddingsSpec | None:
    """The server of embeddings that is asked, in our words where the manifest has ToolHive's."""
    optimizer = spec.config.optimizer
    if optimizer is None or optimizer.embeddings or optimizer.embedding_service is None:
        return optimizer.embeddings if optimizer else None
    is_tei = optimizer.embedding_provider is not EmbeddingProvider.OPENAI
    told: dict[str, Any] = {"timeout": optimizer.embedding_service_timeout, "model": optimizer.embedding_model or None}
    return EmbeddingsSpec(
        url=service_url(optimizer.embedding_service, is_tei=is_tei),
        headers=optimizer.embedding_headers,
        api_key_secret_ref=None if is_tei else _api_key(spec),
        allow_private_endpoint=True,
        insecure_allow_http=True,
        **{name: value for name, value in told.items() if value is not None},
    )


def service_url(service: str, *, is_tei: bool) -> str:
    """Base URL of the OpenAI-compatible API of an `embeddingService`."""
    return service.rstrip("/") + _TEI_PATH if is_tei else service


def _api_key(spec: VirtualMCPServerSpec) -> KeyRef | None:
    """The key of a Secret by which a pod template sets the variable that ToolHive reads."""
    template = spec.pod_template_spec
    pod = template.get("spec") if isinstance(template, Mapping) else None
    for container in _entries(pod, "containers"):
        if container.get("name") != PROXY_CONTAINER:
            continue
        for variable in _entries(container, "env"):
            source = variable.get("valueFrom")
            ref = source.get("secretKeyRef") if isinstance(source, Mapping) else None
            if variable.get("name") == API_KEY_VARIABLE and isinstance(ref, Mapping):
                return _key_ref(ref)
    return None


def _entries(part: object, name: str) -> Iterator[Mapping[str, Any]]:
    found = part.get(name) if isinstance(part, Mapping) else None
    yield from (each for each in found if isinstance(each, Mapping)) if isinstance(found, list) else ()


def _key_ref(ref: Mapping[str, Any]) -> KeyRef | None:
    """None where it is none; the API server says so of the pod."""
    try:
        return KeyRef(name=ref.get("name"), key=ref.get("key"))  # type: ignore[arg-type] # that is what is found out
    except ValidationError:
        return None


def _refuse(embeddings: EmbeddingsSpec, resources: Resources) -> Refusal | None:
    """CA certificates or an API key that are known to be missing, or to be of no use."""
    if bundle := embeddings.ca_bundle_ref:
        loc = (*EMBEDDINGS, "caBundleRef", "configMapRef")
        if refusal := refuse_bundle(bundle.key_ref, resources, loc):
            return refusal
    ref, loc = embeddings.api_key_secret_ref, (*EMBEDDINGS, "apiKeySecretRef")
    if ref is None:
        return None
    if problem := check_secret(resources, ref, loc):
        return Refusal(Reason.SECRET_NOT_FOUND, problem)
    if problem := find_unsendable(resources, ref, loc):
        return Refusal(Reason.SECRET_INVALID, problem)
    return None


def _embeddings(embeddings: EmbeddingsSpec, resources: Resources, mode: Mode) -> Embeddings:
    """The server with the CA certificates copied in; call it once nothing is missing."""
    reach = endpoint_reach(embeddings, embeddings.url, resources, mode)
    return Embeddings(**reach, **_fields(embeddings, EmbeddingsSettings))


def _fields(part: Model, model: type[Model]) -> dict[str, Any]:
    return {name: getattr(part, name) for name in model.model_fields}


def _doubts(spec: VirtualMCPServerSpec, settings: VirtualMCPServerOptimizer) -> Iterator[Problem]:
    """Settings that manifests of ToolHive have and that do nothing here, and others that do nothing."""
    if ref := spec.embedding_server_ref:
        said = f"the EmbeddingServer {ref.name!r} is not asked, as tools are ranked in the process"
        remedy = "remove it"
        if embeddings_of(spec) is None:
            remedy += f", or write the URL of its Service with /v1 into {'.'.join(map(str, EMBEDDINGS))}.url"
        yield Problem(said, remedy, ("spec", "embeddingServerRef"))
    for field_name, reason in _WITHOUT_EFFECT.items():
        if getattr(settings, field_name) is not None:
            yield Problem(f"has no effect: {reason}", "remove it", (*_OPTIMIZER, to_camel(field_name)))
    if settings.embedding_service is None:
        for field_name in _OF_SERVICE:
            if getattr(settings, field_name):
                said = "has no effect without embeddingService, as no server of embeddings is asked"
                remedy = "remove it, or write embeddings with the url of a server"
                yield Problem(said, remedy, (*_OPTIMIZER, to_camel(field_name)))
    for index, name in enumerate(settings.always_visible):
        if name in SEARCH_TOOLS:
            yield Problem("is listed in any case", "remove it", (*_OPTIMIZER, "alwaysVisible", index))
