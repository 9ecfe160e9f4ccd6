"""A real Prometheus of the test's own, and what is asked of it."""

import asyncio
import contextlib
import json
import math
import shutil
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import yaml

from benchmarks.ports import free_port
from tests.support.plain_http import http_client

INTERVAL = 1.0
"""Seconds between two scrapes."""

START_SECONDS = 30.0


def program(name: str) -> str:
    found = shutil.which(name)
    assert found is not None, f"{name} is not installed; run: make prometheus"
    return found


@dataclass(frozen=True, slots=True)
class Prometheus:
    """A running server."""

    http: httpx2.AsyncClient

    async def ask(self, query: str) -> list[dict[str, Any]]:
        """The series of an instant query; values that are no numbers (a quantile of nothing) are left out."""
        answer = await self.http.get("/api/v1/query", params={"query": query})
        found = answer.json()
        assert found["status"] == "success", f"{query}: {found}"
        return [each for each in found["data"]["result"] if not math.isnan(float(each["value"][1]))]

    async def exemplars(self, query: str) -> list[dict[str, Any]]:
        answer = await self.http.get("/api/v1/query_exemplars", params={"query": query, "start": "0", "end": "4e9"})
        return [each for series in answer.json()["data"] for each in series["exemplars"]]


@contextlib.asynccontextmanager
async def prometheus(jobs: Mapping[str, Mapping[str, str]], folder: Path) -> AsyncIterator[Prometheus]:
    """Scrapes while the block runs; `jobs` are labels by address."""
    config = folder / "prometheus.yml"
    scrape = {
        "job_name": "test",
        "scrape_interval": f"{int(INTERVAL * 1000)}ms",
        "scrape_timeout": f"{int(INTERVAL * 1000)}ms",
        "static_configs": [{"targets": [address], "labels": dict(labels)} for address, labels in jobs.items()],
    }
    config.write_text(yaml.safe_dump({"scrape_configs": [scrape]}), encoding="utf-8")
    port = free_port()
    arguments = (
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--enable-feature=exemplar-storage",
        "--log.level=warn",
    )
    with (folder / "prometheus.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(program("prometheus"), *arguments, stdout=log, stderr=log)
    try:
        async with http_client(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
            async with asyncio.timeout(START_SECONDS):
                while not await _is_ready(http):
                    assert process.returncode is None, (folder / "prometheus.log").read_text()
                    await asyncio.sleep(0.05)
            yield Prometheus(http)
    finally:
        process.terminate()
        await process.wait()


async def promtool(*arguments: str) -> str:
    """What `promtool` says; it has to succeed."""
    process = await asyncio.create_subprocess_exec(
        program("promtool"), *arguments, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def _is_ready(http: httpx2.AsyncClient) -> bool:
    try:
        return (await http.get("/-/ready")).status_code == 200
    except (httpx2.TransportError, json.JSONDecodeError):
        return False
