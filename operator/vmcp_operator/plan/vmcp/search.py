"""Whether tools are searched for as a VirtualMCPServer asks."""

from collections.abc import Iterable
from typing import Final

from vmcp_api.config import ProxyConfig
from vmcp_api.pod_status import LEXICAL, PodStatus
from vmcp_api.render.member import Refusal
from vmcp_operator.plan.conditions import Finding
from vmcp_operator.plan.vmcp.lacks import Lacks
from vmcp_operator.plan.vmcp.observability import not_rendered

EMBEDDINGS_AWAY: Final = "EmbeddingsUnavailable"
_MEANWHILE: Final = "tools are ranked without it meanwhile"


def search_finding(
    config: ProxyConfig | None, broken: Refusal | None, lacks: Lacks, reports: Iterable[PodStatus]
) -> Finding:
    """Whether the server of embeddings is asked that the resource names; tools are found in any case."""
    name = "ToolSearchConfigured"
    settings = config.config.optimizer if config else None
    if broken:
        asked = settings.embeddings if settings else None
        kept = "the one that was in force is asked" if asked else "tools are ranked without it"
        return Finding.false(name, broken.reason, f"{broken.problem}; {kept}")
    if config is None:
        return not_rendered(name)
    if settings is None or not settings.enabled:
        return Finding.true(name, "Off", "all tools are listed as they are")
    if lacks:
        return Finding.false(name, lacks.reason, f"{lacks.message}; {_MEANWHILE}")
    told = [each.search for each in reports if each.search]
    away = next((each.embeddings for each in told if each.embeddings and each.embeddings.is_away), None)
    if away:
        said = f"the server of embeddings cannot be asked: {away.message}; {_MEANWHILE}"
        return Finding.false(name, EMBEDDINGS_AWAY, said)
    is_lexical = any(each.ranking == LEXICAL for each in told)
    return Finding.true(name, "Configured", "tools are ranked by words alone, without vectors" if is_lexical else "")
