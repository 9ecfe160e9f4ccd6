"""Namespaces that an operator of the whole cluster leaves to one whose release names them (ADR-0064)."""

import logging
from enum import Enum
from typing import Final

from vmcp_operator.cluster import Cluster
from vmcp_operator.logs import log_event
from vmcp_operator.plan.controller import Read
from vmcp_operator.plan.kinds import CONFIG_MAP, Ref
from vmcp_operator.plan.objects.naming import NAME_LABEL, OPERATOR

CLAIM: Final = "vmcp-operator-claim"
"""Name of the ConfigMap that a release of scope `namespace` puts into each of its namespaces."""


class Elsewhere(Enum):
    """What stands for the world of a resource that another operator looks after."""

    ELSEWHERE = 1


ELSEWHERE: Final = Elsewhere.ELSEWHERE

logger = logging.getLogger(__name__)


class Claims:
    """Asks for the claim of a namespace, always fresh; an operator of the whole cluster `yields` to it."""

    def __init__(self, cluster: Cluster, *, yields: bool) -> None:
        self._cluster: Final = cluster
        self._yields: Final = yields
        self._left: Final[set[str]] = set()

    async def is_taken(self, namespace: str, reads: set[Read]) -> bool:
        """Whether another operator looks after a namespace; what was read is added to `reads`.

        Raises:
            ClusterError: the API server could not be read.
        """
        if not self._yields:
            return False
        ref = Ref(CONFIG_MAP, namespace, CLAIM)
        reads.add(ref)
        live = await self._cluster.get(ref)
        is_taken = live is not None and (live["metadata"].get("labels") or {}).get(NAME_LABEL) == OPERATOR
        self._tell(namespace, ((live or {}).get("data") or {}).get("operator", ""), is_taken=is_taken)
        return is_taken

    def _tell(self, namespace: str, operator: str, *, is_taken: bool) -> None:
        if is_taken is (namespace in self._left):
            return
        if is_taken:
            self._left.add(namespace)
            log_event(
                logger, logging.INFO, "namespace left to its own operator", namespace=namespace, operator=operator
            )
        else:
            self._left.discard(namespace)
            log_event(logger, logging.INFO, "namespace taken over", namespace=namespace)
