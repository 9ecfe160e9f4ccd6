"""The API server as JSON over HTTP, for thousands of objects that kubectl would take minutes for."""

import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from kubernetes.aio import client as kube_client
from kubernetes.aio import config as kube_config

Manifest = dict[str, Any]

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
LINE_BYTES = 4 << 20


class Api:
    """One administrator's connection; paths begin with `/api` or `/apis`."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http

    @staticmethod
    @asynccontextmanager
    async def connected(kubeconfig: Path) -> AsyncIterator["Api"]:
        """With the credentials of a kubeconfig."""
        configuration = kube_client.Configuration()
        await kube_config.load_kube_config(str(kubeconfig), client_configuration=configuration)  # type: ignore[no-untyped-call]
        trust = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
        trust.load_cert_chain(configuration.cert_file, configuration.key_file)
        async with aiohttp.ClientSession(
            configuration.host,
            connector=aiohttp.TCPConnector(ssl=trust, limit=64),
            timeout=aiohttp.ClientTimeout(total=None, connect=30, sock_connect=30),
            read_bufsize=LINE_BYTES,
        ) as http:
            yield Api(http)

    async def list(self, path: str, **query: str) -> Manifest:
        """A list with its version."""
        return await self._send("GET", path, params=query)

    async def create(self, path: str, manifest: Manifest) -> Manifest:
        """An object that is not there yet."""
        return await self._send("POST", path, json=manifest)

    async def patch(self, path: str, body: Manifest, content_type: str = MERGE) -> Manifest:
        """A part of an object."""
        return await self._send("PATCH", path, data=json.dumps(body), headers={"Content-Type": content_type})

    async def delete(self, path: str, **options: Any) -> Manifest:
        """An object that may be gone already."""
        return await self._send("DELETE", path, json=options)

    async def watch(self, path: str, **query: str) -> AsyncIterator[tuple[str, Manifest]]:
        """Every object that is there, as ADDED, then what becomes of them, without an end."""
        while True:
            listed = await self.list(path, **query)
            for item in listed["items"]:
                yield "ADDED", item
            version = listed["metadata"]["resourceVersion"]
            options = {**query, "watch": "true", "resourceVersion": version}
            async with self._http.get(path, params=options) as response:
                async for line in response.content:
                    event = json.loads(line)
                    if event["type"] == "ERROR":
                        break
                    yield event["type"], event["object"]

    async def _send(self, verb: str, path: str, **options: Any) -> Manifest:
        async with self._http.request(verb, path, **options) as response:
            answer: Manifest = await response.json()
            if response.status not in (200, 201, 202, 404):
                raise RuntimeError(f"{verb} {path}: {response.status} {answer.get('message')}")
            return answer
