"""Which namespaces are watched, and what in them."""

from dataclasses import dataclass

from vmcp_operator.plan.kinds import CONFIG_MAP, OWN, OWNED, STDIO_OWNED, Kind


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that are watched; none means all of them. With `stdio` also what stdio servers alone need."""

    namespaces: tuple[str, ...] = ()
    stdio: bool = False

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kinds that are watched."""
        return (*OWN, *OWNED, CONFIG_MAP, *(STDIO_OWNED if self.stdio else ()))

    @property
    def is_cluster(self) -> bool:
        """Whether every namespace is watched."""
        return not self.namespaces
