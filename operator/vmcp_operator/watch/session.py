"""How kopf asks the API server: for metadata where that is enough; how each watch was answered is noted."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

import aiohttp
import kopf

from vmcp_operator.cluster.kube import OnRequest
from vmcp_operator.plan.kinds import RECONCILED, Kind
from vmcp_operator.watch.answers import Answers

_AS_METADATA: Final = "application/json;as=PartialObjectMetadata{};v=v1;g=meta.k8s.io,application/json"
LIST_AS_METADATA: Final = _AS_METADATA.format("List")
WATCH_AS_METADATA: Final = _AS_METADATA.format("")


class _Response(aiohttp.ClientResponse):
    """An answer in which a list without entries has some all the same: none."""

    async def json(self, **options: Any) -> Any:
        """See aiohttp. Of an empty list of metadata the API server says `null`, which kopf cannot walk."""
        answer = await super().json(**options)
        if isinstance(answer, dict) and "items" in answer and answer["items"] is None:
            answer["items"] = []
        return answer


class Login:
    """Hands kopf a session with the pod's or the kubeconfig's credentials, each time that it wants new ones.

    Only of kinds that are reconciled the content is asked for: another object may be of any size, and its name does.
    """

    def __init__(self, answers: Answers, paths: Mapping[str, Kind], on_request: OnRequest) -> None:
        self._answers: Final = answers
        self._on_request: Final = on_request
        self._paths: Final = paths
        self._last: tuple[kopf.ConnectionInfo, kopf.AiohttpSession] | None = None

    async def log_in(self, **options: Any) -> kopf.AiohttpSession | None:
        """The session, which kopf closes; None where there are no credentials."""
        info = kopf.login_with_service_account(**options) or kopf.login_with_kubeconfig(**options)
        if info is None:
            return None
        # The same session again tells kopf that these credentials are those that were refused: it ends.
        if self._last is None or self._last[0] != info:
            self._last = (info, self._open(info))
        return self._last[1]

    async def close(self) -> None:
        """Closes what kopf left open."""
        if self._last is not None:
            await self._last[1].aiohttp_session.close()

    def _open(self, info: kopf.ConnectionInfo) -> kopf.AiohttpSession:
        prefix = urlsplit(info.server).path.rstrip("/")
        host = urlsplit(info.server).netloc

        async def count(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            status: int | None = None
            try:
                response = await handler(request)
                status = response.status
            finally:
                self._on_request(request.method, host, status)
            return response

        async def ask(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
            path = request.url.path.removeprefix(prefix)
            if path not in self._paths:
                return await handler(request)
            is_watch = request.url.query.get("watch") == "true"
            if self._paths[path] not in RECONCILED:
                request.headers["Accept"] = WATCH_AS_METADATA if is_watch else LIST_AS_METADATA
            return await self._noted(path, is_watch, request, handler)

        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=info.as_ssl_context()),
            headers=info.as_http_headers(),
            proxy=info.proxy_url,
            trust_env=info.trust_env,
            middlewares=(count, ask),
            response_class=_Response,
        )
        return kopf.AiohttpSession(
            server=info.server,
            aiohttp_session=session,
            default_namespace=info.default_namespace,
            priority=info.priority,
        )

    async def _noted(
        self, path: str, is_watch: bool, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        try:
            response = await handler(request)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            self._answers.failed(path, f"no answer ({type(error).__name__})")
            raise
        if response.status != HTTPStatus.OK:
            self._answers.failed(path, f"HTTP {response.status}")
        elif is_watch:
            self._answers.answered(path)
        return response
