"""Which namespaces are watched, and what in them."""

from dataclasses import dataclass

from vmcp_operator.plan.kinds import CONFIG_MAP, LIFECYCLE, OWN, OWNED, STDIO_OWNED, Kind


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that are watched; none means all of them. With `stdio` also what stdio servers alone need.

    With `lifecycle` also the kinds of the MCP Lifecycle Operator, where the cluster has them (ADR-0069).
    """

    namespaces: tuple[str, ...] = ()
    stdio: bool = False
    lifecycle: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are watched in every cluster."""
        return (*OWN, *OWNED, CONFIG_MAP, *(STDIO_OWNED if self.stdio else ()))

    @property
    def optional(self) -> tuple[Kind, ...]:
        """The kinds that are watched while the API server knows them."""
        return LIFECYCLE if self.lifecycle else ()

    @property
    def is_cluster(self) -> bool:
        """Whether every namespace is watched."""
        return not self.namespaces
