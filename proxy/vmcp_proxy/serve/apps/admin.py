"""The admin port: health, readiness, status, metrics, explanations."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from vmcp_proxy.observability.metrics import Metrics
from vmcp_proxy.serve.apps.deferred import Deferred, answer_json
from vmcp_proxy.serve.apps.explain import Explainer
from vmcp_proxy.serve.chain.header_rules import HostRule
from vmcp_proxy.serve.context import Receive, Scope, Send

if TYPE_CHECKING:
    from fastapi import FastAPI

    from vmcp_api.pod_status import PodStatus

_WRONG_HOST: Final = "The admin port answers to names of this machine only; use localhost or 127.0.0.1."
_READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether the proxy may get traffic, and if not, why."""

    ready: bool
    reasons: tuple[str, ...] = ()


class StatusSource(Protocol):
    """Who knows the state of the proxy; both answers are immediate and hold no URL and no secret."""

    def readiness(self) -> Readiness: ...

    def status(self) -> "PodStatus": ...


class AdminApp(Deferred):
    """The application: what a kubelet asks is answered at once, the rest by FastAPI, loaded for the first of it.

    Requests for other names than `hosts` allows get 421.
    """

    def __init__(self, source: StatusSource, metrics: Metrics, explainer: Explainer, hosts: HostRule) -> None:
        super().__init__(self._routes)
        self._source: Final = source
        self._metrics: Final = metrics
        self._explainer: Final = explainer
        self._hosts: Final = hosts

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = [value for name, value in scope["headers"] if name == b"host"]
        path = scope["path"] if scope["method"] in _READS else ""
        if not all(map(self._hosts.allows, names or [None])):
            await answer_json(send, 421, msgspec.json.encode({"detail": _WRONG_HOST}))
        elif path == "/healthz":
            await answer_json(send, 200, b'{"status":"ok"}')
        elif path == "/readyz":
            readiness = self._source.readiness()
            body = msgspec.json.encode({"ready": readiness.ready, "reasons": readiness.reasons})
            await answer_json(send, 200 if readiness.ready else 503, body)
        else:
            await self.framework(scope, receive, send)

    def _routes(self) -> "FastAPI":
        from vmcp_proxy.serve.apps.admin_routes import build_admin_routes  # noqa: PLC0415

        return build_admin_routes(self._source, self._metrics, self._explainer)


def build_admin_app(source: StatusSource, metrics: Metrics, explainer: Explainer, hosts: HostRule) -> AdminApp:
    """The admin application: `/healthz`, `/readyz`, `/status` (with an ETag), `/metrics` and `/explain`, nothing else.

    Where only this machine reaches the port, `hosts` keeps web pages out that have their own name resolve to it
    (DNS rebinding); in a cluster probes and scrapes come by the pod's address.
    """
    return AdminApp(source, metrics, explainer, hosts)
