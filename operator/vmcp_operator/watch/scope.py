"""Which namespaces are watched."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scope:
    """The namespaces that are watched; none means all of them."""

    namespaces: tuple[str, ...] = ()

    @property
    def is_cluster(self) -> bool:
        """Whether every namespace is watched."""
        return not self.namespaces
