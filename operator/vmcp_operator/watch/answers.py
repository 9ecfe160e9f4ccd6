"""Which watches the API server has answered: what readiness follows (ADR-0002)."""

from collections.abc import Callable, Iterable
from typing import Final

from vmcp_operator.plan.kinds import Kind
from vmcp_operator.watch.scope import Scope

NOT_ASKED: Final = "not asked yet"


def watched_paths(scope: Scope, kinds: Iterable[Kind]) -> dict[str, Kind]:
    """The path of each watch of some kinds, with its kind."""
    namespaces = scope.namespaces or ("",)
    return {kind.folder(namespace): kind for kind in kinds for namespace in namespaces}


class Answers:
    """The watches of one life of kopf; `changed` is told whenever one is answered or refused that was not before.

    A watch that ends in time and is asked for again counts as answered meanwhile.
    """

    def __init__(self, paths: Iterable[str], changed: Callable[[], None]) -> None:
        self._problems: Final[dict[str, str]] = dict.fromkeys(paths, NOT_ASKED)
        self._changed: Final = changed

    @property
    def problems(self) -> dict[str, str]:
        """The paths that are not watched, with the reason."""
        return {path: problem for path, problem in self._problems.items() if problem}

    def answered(self, path: str) -> None:
        """A watch was accepted."""
        self._note(path, "")

    def failed(self, path: str, problem: str) -> None:
        """A list or a watch was refused, or got no answer."""
        self._note(path, problem)

    def _note(self, path: str, problem: str) -> None:
        if path in self._problems and self._problems[path] != problem:
            self._problems[path] = problem
            self._changed()
