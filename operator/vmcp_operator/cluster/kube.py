"""The API server behind the Kubernetes client library: the only module that knows it."""

import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

import aiohttp
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config
from kubernetes.aio.client.exceptions import ApiException
from kubernetes.aio.dynamic import DynamicClient

from vmcp_operator.cluster.concurrently import concurrently
from vmcp_operator.errors import INSTALL_KINDS, Conflict, cluster_error
from vmcp_operator.plan.kinds import OWN, Kind, Manifest, Ref, ref_of

FIELD_MANAGER: Final = "vmcp-operator"
REQUEST_SECONDS: Final = 20.0
PAGE: Final = 5000
_NOT_FOUND: Final = 404
_GONE: Final = 410
_MESSAGE_LIMIT: Final = 1024

OnRequest: TypeAlias = Callable[[str, str, int | None], None]
"""Told of each request: method, host, and the status of its answer, None where there was none."""


class KubeCluster:
    """`Cluster` over the dynamic client; its discovery, which keeps a cache file, is not used: the kinds are known."""

    def __init__(self, dynamic: DynamicClient, host: str, on_request: OnRequest) -> None:
        self._dynamic: Final = dynamic
        self._host: Final = host
        self._on_request: Final = on_request

    async def get(self, ref: Ref) -> Manifest | None:
        """See `Cluster`."""
        return await self._found("get", _path(ref), str(ref))

    async def list(self, kind: Kind, namespace: str, selector: str = "") -> tuple[Manifest, ...]:
        """See `Cluster`; read in pages, from the start again where a page has expired."""
        try:
            return await self._pages(kind, namespace, selector)
        except ApiException as error:
            if error.status != _GONE:
                raise _unlisted(error, kind) from None
        try:
            return await self._pages(kind, namespace, selector)
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

    async def create(self, manifest: Manifest) -> bool:
        """See `Cluster`."""
        ref = ref_of(manifest)
        path = ref.kind.folder(ref.namespace)
        try:
            await self._call("post", path, str(ref), body=manifest, field_manager=FIELD_MANAGER)
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
        return await self._call("put", _path(ref), str(ref), body=manifest, field_manager=FIELD_MANAGER)

    async def apply(self, manifest: Manifest) -> Manifest:
        """See `Cluster`."""
        ref = ref_of(manifest)
        return await self._call(
            "patch",
            _path(ref),
            str(ref),
            body=manifest,
            content_type="application/apply-patch+yaml",
            field_manager=FIELD_MANAGER,
            force_conflicts="true",
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
            field_manager=FIELD_MANAGER,
            force_conflicts="true",
        )

    async def annotate(self, ref: Ref, annotations: dict[str, str]) -> bool:
        """See `Cluster`."""
        done = await self._found(
            "patch",
            _path(ref),
            str(ref),
            body={"metadata": {"annotations": annotations}},
            content_type="application/merge-patch+json",
            field_manager=FIELD_MANAGER,
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

    async def _pages(self, kind: Kind, namespace: str, selector: str) -> tuple[Manifest, ...]:
        found: list[Manifest] = []
        token: str | None = None
        path = kind.folder(namespace)
        while True:
            page = await self._request(
                "get", path, f"{kind} list", label_selector=selector or None, limit=PAGE, _continue=token
            )
            # The items of a list leave out what the list says once.
            found.extend({"apiVersion": kind.api_version, "kind": kind.name, **item} for item in page["items"])
            token = page["metadata"].get("continue")
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

    async def _request(self, verb: str, path: str, about: str, **options: Any) -> Manifest:
        status: int | None = None
        try:
            response = await self._dynamic.request(
                verb, path, serialize=False, _request_timeout=REQUEST_SECONDS, **options
            )
            status = response.status
            answer: Manifest = json.loads(await response.read())
        except ApiException as error:
            status = error.status or None
            raise
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
    async with kube_client.ApiClient(configuration) as api:
        host = urlsplit(configuration.host).netloc
        yield KubeCluster(DynamicClient(api), host, on_request)  # type: ignore[no-untyped-call]


def _path(ref: Ref) -> str:
    return f"{ref.kind.folder(ref.namespace)}/{ref.name}"


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
