"""Tool search: ToolHive's optimizer, whose server of embeddings may be asked here, and need not be."""

from collections.abc import Iterator
from typing import Final

from vmcp_api.base import Json
from vmcp_api.convert.draft import Draft
from vmcp_api.manifests.problems import Loc
from vmcp_api.naming import PROXY_CONTAINER
from vmcp_api.render.optimizer import API_KEY_VARIABLE, EMBEDDINGS, service_url

_OPTIMIZER: Final[Loc] = ("spec", "config", "optimizer")
_REF: Final[Loc] = ("spec", "embeddingServerRef")
_CONTAINERS: Final[Loc] = ("spec", "podTemplateSpec", "spec", "containers")
_KEY: Final = "spec.config.optimizer.embeddings.apiKeySecretRef"
_SERVER: Final = "stands with the server of embeddings"
_NO_SERVER: Final = "is about a server of embeddings, and none is asked"
_OF_SERVER: Final = (
    ("embeddingServiceTimeout", "timeout"),
    ("embeddingModel", "model"),
    ("embeddingHeaders", "headers"),
)
_RANKING: Final = (
    ("hybridSearchSemanticRatio", "ranks are fused, so that there is no share to choose"),
    ("semanticDistanceThreshold", "weak answers are marked, and none is left out"),
)


def convert_optimizer(draft: Draft) -> None:
    """The optimizer of a VirtualMCPServer."""
    why = "switched tool search on; tools are ranked in the process, and no server of embeddings is needed"
    if draft.has(_REF) and draft.has(_OPTIMIZER):
        draft.drop(_REF, why)
    draft.put(_REF, _OPTIMIZER, {}, why)
    if not isinstance(draft.get(*_OPTIMIZER), dict):
        return
    if not draft.has(EMBEDDINGS):
        _convert_service(draft)
    for key, reason in _RANKING:
        draft.lose((*_OPTIMIZER, key), f"has no effect: {reason}", "leave it out", prunes=False)
    draft.add((*_OPTIMIZER, "threshold"), 0, "is what ToolHive does: tools are searched for, however few there are")


def _convert_service(draft: Draft) -> None:
    service: Loc = (*_OPTIMIZER, "embeddingService")
    url, is_openai = draft.get(*service), draft.get(*_OPTIMIZER, "embeddingProvider") == "openai"
    is_asked = isinstance(url, str) and bool(url)
    if isinstance(url, str) and url:
        draft.put(service, (*EMBEDDINGS, "url"), service_url(url, is_tei=not is_openai), _SERVER)
        draft.add((*EMBEDDINGS, "allowPrivateEndpoint"), value=True, why="is what ToolHive does: it dials any address")
    else:
        draft.drop(service, "names no server")
    for key, to in _OF_SERVER:
        if is_asked and draft.get(*_OPTIMIZER, key) != "":
            draft.move((*_OPTIMIZER, key), (*EMBEDDINGS, to), _SERVER)
        else:
            draft.drop((*_OPTIMIZER, key), _NO_SERVER)
    draft.drop((*_OPTIMIZER, "embeddingProvider"), "is had without: the OpenAI-compatible API is asked, which TEI has")
    if is_asked and is_openai:
        _convert_key(draft, is_plain=str(url).startswith("http:"))


def _convert_key(draft: Draft, *, is_plain: bool) -> None:
    """ToolHive reads the API key from a variable of the proxy's container."""
    place = next(_key_places(draft), None)
    if place is None:
        return
    source: Loc = (*place, "valueFrom", "secretKeyRef")
    draft.drop((*source, "optional"), "is had without: tools are ranked while the Secret is missing")
    if not draft.has(source):
        draft.lose(place, "is not read here", f"write the key into a Secret, and its name in {_KEY}")
        return
    draft.move(source, (*EMBEDDINGS, "apiKeySecretRef"), _SERVER)
    draft.drop(place, "is not read here: apiKeySecretRef names the Secret")
    if is_plain:
        draft.add(
            (*EMBEDDINGS, "insecureAllowHTTP"), value=True, why="is what ToolHive does: it takes a URL without TLS"
        )


def _entries(draft: Draft, loc: Loc) -> list[Json]:
    found = draft.get(*loc)
    return found if isinstance(found, list) else []


def _key_places(draft: Draft) -> Iterator[Loc]:
    for container, told in enumerate(_entries(draft, _CONTAINERS)):
        if not isinstance(told, dict) or told.get("name") != PROXY_CONTAINER:
            continue
        place: Loc = (*_CONTAINERS, container, "env")
        for index, variable in enumerate(_entries(draft, place)):
            if isinstance(variable, dict) and variable.get("name") == API_KEY_VARIABLE:
                yield (*place, index)
