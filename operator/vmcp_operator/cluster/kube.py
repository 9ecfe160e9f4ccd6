"""The API server behind the Kubernetes client library: the only module that knows it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import quote, urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.exceptions import ApiException

from vmcp_operator.cluster.concurrently import concurrently
from vmcp_operator.errors import INSTALL_KINDS, Conflict, Rejected, cluster_error
from vmcp_operator.plan.kinds import OWN, Kind, Manifest, Ref, ref_of

FIELD_MANAGER: Final = "vmcp-operator"
REQUEST_SECONDS: Final = 20.0
PAGE: Final = 5000
WRITE: Final = {"fieldManager": FIELD_MANAGER}
APPLY: Final = {**WRITE, "force": "true"}
_NOTHING: Final[Mapping[str, str]] = {}
_JSON: Final = "application/json"
_DONE: Final = 2
_NOT_FOUND: Final = 404
_GONE: Final = 410
_MESSAGE_LIMIT: Final = 1024
_NO_NAMES: Final = frozenset({"", ".", ".."})
"""Segments of a path that mean another one."""

OnRequest: TypeAlias = Callable[[str, str, int | None], None]
"""Told of each request: method, host, and the status of its answer, None where there was none."""


class KubeCluster:
    """`Cluster` over the library's plain requests: the kinds are known, models and discovery are not used."""

    def __init__(self, api: kube_client.ApiClient, host: str, on_request: OnRequest) -> None:
        self._api: Final = api
        self._host: Final = host
        self._on_request: Final = on_request

    async def get(self, ref: Ref) -> Manifest | None:
        """See `Cluster`."""
        answer = await self._found("get", _path(ref), str(ref))
        if answer is not None and not _is_object(answer, ref):
            raise cluster_error(str(ref), 0, "the API server answered with something else")
        return answer

    async def list(self, kind: Kind, namespace: str, selector: str = "", *, fields: str = "") -> tuple[Manifest, ...]:
        """See `Cluster`; read in pages, from the start again where a page has expired."""
        selected = {"labelSelector": selector, "fieldSelector": fields}
        try:
            return await self._pages(kind, namespace, selected)
        except ApiException as error:
            if error.status != _GONE:
                raise _unlisted(error, kind) from None
        try:
            return await self._pages(kind, namespace, selected)
        except ApiException as error:
            raise _unlisted(error, kind) from None

    async def missing(self, kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
        """See `Cluster`."""
        groups = sorted({f"/apis/{kind.api_version}" for kind in kinds})
        found = await concurrently(self._found("get", path, path) for path in groups)
        known = {
            (answer["groupVersion"], resource["name"])
            for answer in found
            if answer is not None
            for resource in answer["resources"]
        }
        return tuple(kind for kind in kinds if (kind.api_version, kind.plural) not in known)

    async def peek(self, kind: Kind, namespace: str) -> None:
        """See `Cluster`."""
        try:
            await self._request("get", kind.folder(namespace), f"{kind} list", query={"limit": "1"})
        except ApiException as error:
            raise _unlisted(error, kind) from None

    async def create(self, manifest: Manifest) -> bool:
        """See `Cluster`."""
        ref = ref_of(manifest)
        path = ref.kind.folder(ref.namespace)
        try:
            await self._call("post", path, str(ref), body=manifest, query=WRITE)
        except Conflict:
            return False
        return True

    async def replace(self, manifest: Manifest) -> Manifest:
        """Writes an existing object whole, if it is still of the version that the manifest names.

        Raises:
            Conflict: it is of another version.
            ClusterError: it is gone, or the API server cannot be written to.
        """
        ref = ref_of(manifest)
        return await self._call("put", _path(ref), str(ref), body=manifest, query=WRITE)

    async def apply(self, manifest: Manifest) -> Manifest:
        """See `Cluster`."""
        ref = ref_of(manifest)
        return await self._call(
            "patch",
            _path(ref),
            str(ref),
            body=manifest,
            content_type="application/apply-patch+yaml",
            query=APPLY,
        )

    async def apply_status(self, manifest: Manifest) -> Manifest | None:
        """See `Cluster`."""
        ref = ref_of(manifest)
        return await self._found(
            "patch",
            f"{_path(ref)}/status",
            f"status of {ref}",
            body=manifest,
            content_type="application/apply-patch+yaml",
            query=APPLY,
        )

    async def annotate(self, ref: Ref, annotations: dict[str, str]) -> bool:
        """See `Cluster`."""
        done = await self._found(
            "patch",
            _path(ref),
            str(ref),
            body={"metadata": {"annotations": annotations}},
            content_type="application/merge-patch+json",
            query=WRITE,
        )
        return done is not None

    async def delete(self, ref: Ref, uid: str) -> None:
        """See `Cluster`."""
        body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": uid},
        }
        await self._found("delete", _path(ref), str(ref), body=body)

    async def _pages(self, kind: Kind, namespace: str, selected: Mapping[str, str]) -> tuple[Manifest, ...]:
        found: list[Manifest] = []
        token = ""
        path = kind.folder(namespace)
        while True:
            query = {"limit": str(PAGE), **selected, "continue": token}
            page = await self._request("get", path, f"{kind} list", query=query)
            # The items of a list leave out what the list says once.
            found.extend({"apiVersion": kind.api_version, "kind": kind.name, **item} for item in page["items"])
            token = page["metadata"].get("continue") or ""
            if not token:
                return tuple(found)

    async def _found(self, verb: str, path: str, about: str, **options: Any) -> Manifest | None:
        try:
            return await self._request(verb, path, about, **options)
        except ApiException as error:
            if error.status == _NOT_FOUND:
                return None
            raise _translate(error, about) from None

    async def _call(self, verb: str, path: str, about: str, **options: Any) -> Manifest:
        try:
            return await self._request(verb, path, about, **options)
        except ApiException as error:
            raise _translate(error, about) from None

    async def _request(
        self,
        verb: str,
        path: str,
        about: str,
        *,
        body: Manifest | None = None,
        content_type: str = _JSON,
        query: Mapping[str, str] = _NOTHING,
    ) -> Manifest:
        status: int | None = None
        try:
            request = await self._api.param_serialize(
                verb.upper(),
                path,
                query_params=[(name, value) for name, value in query.items() if value],
                header_params={"Accept": _JSON, "Content-Type": content_type},
                body=body,
                auth_settings=["BearerToken"],
            )
            response = await self._api.call_api(*request, _request_timeout=REQUEST_SECONDS)
            status = response.status
            content: bytes = await response.read()  # type: ignore[no-untyped-call]
            if status // 100 != _DONE:
                raise ApiException(status, response.reason, body=content.decode(errors="replace"))
            answer: Manifest = json.loads(content)
        # A ValueError is the page of a load balancer, or an answer that was cut.
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise cluster_error(about, 0, f"no answer from the API server ({type(error).__name__})") from None
        finally:
            self._on_request(verb, self._host, status)
        return answer


@asynccontextmanager
async def connect(kubeconfig: str | None, on_request: OnRequest) -> AsyncIterator[KubeCluster]:
    """A cluster for as long as the context lasts: of a kubeconfig file, or of the pod's service account."""
    configuration = kube_client.Configuration()
    if kubeconfig is not None:
        await kube_config.load_kube_config(  # type: ignore[no-untyped-call]
            config_file=kubeconfig, client_configuration=configuration
        )
    else:
        kube_config.load_incluster_config(client_configuration=configuration)  # type: ignore[no-untyped-call]
    # With `trust_env` each request reads .netrc in a thread and looks for a proxy anew: more than all the rest of it.
    configuration.client_session_kwargs = {"trust_env": False}
    configuration.proxy = configuration.proxy or _proxy_of(configuration.host)
    async with kube_client.ApiClient(configuration) as api:
        yield KubeCluster(api, urlsplit(configuration.host).netloc, on_request)


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    parts = urlsplit(url)
    return None if proxy_bypass(parts.netloc) else getproxies().get(parts.scheme)


def _path(ref: Ref) -> str:
    """The path of one object, whatever is written where its name is expected.

    Raises:
        Rejected: no path leads to an object of such a name.
    """
    for segment in (ref.namespace, ref.name):
        if segment in _NO_NAMES:
            raise Rejected(str(ref), 0, "no object can be called that")
    return f"{ref.kind.folder(quote(ref.namespace, safe=''))}/{quote(ref.name, safe='')}"


def _is_object(answer: object, ref: Ref) -> bool:
    """Whether an answer is the object that was asked for."""
    if not isinstance(answer, Mapping) or not isinstance(metadata := answer.get("metadata"), Mapping):
        return False
    said = (answer.get("apiVersion"), answer.get("kind"), metadata.get("namespace"), metadata.get("name"))
    return said == (ref.kind.api_version, ref.kind.name, ref.namespace, ref.name)


def _translate(error: ApiException, about: str) -> Exception:
    return cluster_error(about, int(error.status or 0), _message(error))


def _unlisted(error: ApiException, kind: Kind) -> Exception:
    if error.status == _NOT_FOUND and kind in OWN:
        return cluster_error(f"{kind} list", _NOT_FOUND, f"no such kind; {INSTALL_KINDS}")
    return _translate(error, f"{kind} list")


def _message(error: ApiException) -> str:
    """The API server's own sentence."""
    try:
        answer = json.loads(error.body or "")
    except ValueError:
        answer = None
    said = answer.get("message") if isinstance(answer, Mapping) else None
    return str(said or error.reason or "refused")[:_MESSAGE_LIMIT]
