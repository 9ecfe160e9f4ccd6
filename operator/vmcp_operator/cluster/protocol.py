"""What the operator asks of an API server: nine verbs, one adapter (ADR-0006)."""

from typing import Protocol

from vmcp_operator.plan.kinds import Kind, Manifest, Ref


class Cluster(Protocol):
    """Reads and writes of one API server; all of them raise `ClusterError` for what was refused.

    `get` answers None for what does not exist. `list` takes a label selector and a field selector, which is `Rejected`
    where the API server cannot select by the field. `peek` asks for one object of a kind and fails as a list
    would. `missing` are those of some kinds of API groups that the API server does not know. `create` posts once and
    answers False where the object exists. `apply` is a forced server-side apply under the operator's field manager; the
    answer is the object as it now is. `annotate` merges annotations into an existing object, False where it is gone.
    `delete` removes the object of that uid and no other.
    """

    async def get(self, ref: Ref) -> Manifest | None: ...

    async def list(
        self, kind: Kind, namespace: str, selector: str = "", *, fields: str = ""
    ) -> tuple[Manifest, ...]: ...

    async def missing(self, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]: ...

    async def peek(self, kind: Kind, namespace: str) -> None: ...

    async def create(self, manifest: Manifest) -> bool: ...

    async def apply(self, manifest: Manifest) -> Manifest: ...

    async def apply_status(self, manifest: Manifest) -> Manifest | None: ...

    async def annotate(self, ref: Ref, annotations: dict[str, str]) -> bool: ...

    async def delete(self, ref: Ref, uid: str) -> None: ...
