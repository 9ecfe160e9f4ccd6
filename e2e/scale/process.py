"""The operator as a process of this machine, and what it costs."""

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from benchmarks.ports import free_port
from benchmarks.procfs import peak_of, usage_of
from e2e.scale.simulated import PROXY_TEMPLATE

END_SECONDS = 60.0
ASK_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class OperatorProcess:
    """One run of `python -m vmcp_operator`; `began` is when it was started, by the monotonic clock."""

    pid: int
    port: int
    began: float
    http: aiohttp.ClientSession

    @staticmethod
    @asynccontextmanager
    async def running(kubeconfig: Path, namespace: str, log: Path) -> AsyncIterator["OperatorProcess"]:
        """Started with the defaults of its image, ended by SIGTERM; its Lease is in `namespace`."""
        port = free_port()
        arguments = (
            f"--port={port}",
            "--host=127.0.0.1",
            "--proxy-image=localhost/simulated:1",
            f"--proxy-template={json.dumps(PROXY_TEMPLATE)}",
            f"--leader-elect-resource-namespace={namespace}",
        )
        environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PYTHONUNBUFFERED": "1"}
        began = time.monotonic()
        with log.open("ab") as output:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "vmcp_operator", *arguments, env=environment, stdout=output, stderr=output
            )
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}", trust_env=False) as http:
                yield OperatorProcess(process.pid, port, began, http)
        finally:
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(END_SECONDS):
                await process.wait()

    @property
    def cpu(self) -> float:
        """Seconds of processor time so far."""
        return usage_of(self.pid).cpu

    @property
    def rss(self) -> int:
        """Resident bytes now."""
        return usage_of(self.pid).rss

    @property
    def peak(self) -> int:
        """The most resident bytes so far."""
        return peak_of(self.pid)

    async def until_ready(self) -> None:
        """Waits until it watches, and has listed what there is."""
        while not await self._is_ready():  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(ASK_SECONDS)

    async def writes(self) -> float:
        """Requests that change something, renewals of the Lease (PUT) aside."""
        return sum(
            value
            for name, labels, value in await self._samples()
            if name == "rest_client_requests_total" and any(f'method="{verb}"' in labels for verb in _WRITES)
        )

    async def reconciles(self) -> float:
        """How often it has looked at a resource."""
        found = await self._samples()
        return sum(value for name, _, value in found if name == "controller_runtime_reconcile_total")

    async def until_quiet(self, seconds: float) -> float:
        """Waits until nothing was reconciled for so long; when the last one was, in seconds after the start."""
        last, at = -1.0, time.monotonic()
        while time.monotonic() - at < seconds:
            if (now := await self.reconciles()) != last:
                last, at = now, time.monotonic()
            await asyncio.sleep(ASK_SECONDS)
        return at - self.began

    async def _is_ready(self) -> bool:
        try:
            async with self.http.get("/readyz") as answer:
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def _samples(self) -> list[tuple[str, str, float]]:
        async with self.http.get("/metrics") as answer:
            text = await answer.text()
        lines = (line for line in text.splitlines() if line and not line.startswith("#"))
        return [_sample(line) for line in lines]


_WRITES = ("POST", "PATCH", "DELETE")


def _sample(line: str) -> tuple[str, str, float]:
    series, _, value = line.rpartition(" ")
    name, _, labels = series.partition("{")
    return name, labels, float(value)
