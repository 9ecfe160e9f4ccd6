"""Asks proxy pods how they fare, and wakes a key when an answer changes (ADR-0007)."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import aiohttp

from vmcp_api.naming import ADMIN_PORT
from vmcp_api.pod_status import PodStatus
from vmcp_operator.logs import log_event
from vmcp_operator.plan.kinds import Ref
from vmcp_operator.plan.pod_status import read_status
from vmcp_operator.plan.world import Target

ANSWER_SECONDS: Final = 3.0
ANSWER_BYTES: Final = 4 << 20
SILENCE: Final = 3
"""Unanswered questions in a row after which a pod's last answer no longer counts."""

EAGER_SECONDS: Final = 1.0
"""Time between questions to a pod that is about to take a config over."""

_AT_A_TIME: Final = 64
_OK: Final = 200
_UNCHANGED: Final = 304

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class _Pod:
    """One pod with what it said last."""

    key: Ref
    target: Target
    due: float
    etag: str = ""
    report: PodStatus | None = None
    failures: int = 0
    is_asked: bool = False

    @property
    def is_silent(self) -> bool:
        return self.failures >= SILENCE


class Poller:
    """The last report of each pod; `wake` is told the key whose pod has something new to say, or falls silent."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        wake: Callable[[Ref], None],
        *,
        interval: float = 5.0,
        port: int = ADMIN_PORT,
    ) -> None:
        self._http: Final = http
        self._wake: Final = wake
        self._interval: Final = interval
        self._port: Final = port
        self._pods: Final[dict[str, _Pod]] = {}
        self._wanted: Final[dict[Ref, str | None]] = {}
        self._kick: Final = asyncio.Event()

    def report(self, uid: str) -> PodStatus | None:
        """What a pod said last; None while it is silent."""
        pod = self._pods.get(uid)
        return None if pod is None else pod.report

    def is_awaited(self, uid: str) -> bool:
        """Whether a pod may yet answer for the first time, as it was asked too seldom to be called silent."""
        pod = self._pods.get(uid)
        return pod is None or (pod.report is None and not pod.is_silent)

    def watch(self, key: Ref, targets: tuple[Target, ...], digest: str | None) -> None:
        """Asks these pods of a key from now on and no others; new ones at once."""
        self._wanted[key] = digest
        wanted = {target.uid for target in targets}
        for uid in [uid for uid, pod in self._pods.items() if pod.key == key and uid not in wanted]:
            del self._pods[uid]
        now = asyncio.get_running_loop().time()
        for target in targets:
            pod = self._pods.setdefault(target.uid, _Pod(key, target, due=now))
            if target.is_ready and not pod.target.is_ready:
                # What it did not answer while it started is no silence.
                pod.failures, pod.due = 0, now
            pod.target = target
            pod.due = min(pod.due, now + self._pause(pod))
        self._kick.set()

    def forget(self, key: Ref) -> None:
        """Asks no pod of this key any more."""
        self.watch(key, (), None)
        del self._wanted[key]

    async def run(self) -> None:
        """Asks until cancelled; a pod that hangs holds up no other."""
        loop = asyncio.get_running_loop()
        limit = asyncio.Semaphore(_AT_A_TIME)
        async with asyncio.TaskGroup() as group:
            while True:
                self._kick.clear()
                idle = [pod for pod in self._pods.values() if not pod.is_asked]
                for pod in idle:
                    if pod.due <= loop.time():
                        pod.is_asked = True
                        group.create_task(self._ask(pod, limit))
                coming = (pod.due for pod in idle if not pod.is_asked)
                pause = min(coming, default=loop.time() + self._interval) - loop.time()
                try:
                    async with asyncio.timeout(max(pause, 0.01)):
                        await self._kick.wait()
                except TimeoutError:
                    continue

    async def _ask(self, pod: _Pod, limit: asyncio.Semaphore) -> None:
        async with limit:
            before, was_silent = pod.report, pod.is_silent
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    await self._read(pod)
                pod.failures = 0
            except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
                pod.failures += pod.target.is_ready
                log_event(logger, logging.DEBUG, "pod silent", key=pod.key, error=type(error).__name__)
                if pod.is_silent:
                    pod.report, pod.etag = None, ""
            pod.due = asyncio.get_running_loop().time() + self._pause(pod)
            pod.is_asked = False
            self._kick.set()
            has_news = pod.report != before or pod.is_silent is not was_silent
            if has_news and self._pods.get(pod.target.uid) is pod:
                self._wake(pod.key)

    async def _read(self, pod: _Pod) -> None:
        headers = {"If-None-Match": pod.etag} if pod.etag else {}
        async with self._http.get(self._url(pod.target), headers=headers, allow_redirects=False) as response:
            if response.status == _UNCHANGED and pod.report is not None:
                return
            if response.status != _OK:
                raise aiohttp.ClientPayloadError(f"HTTP {response.status}")
            body = await response.content.read(ANSWER_BYTES + 1)
            while len(body) <= ANSWER_BYTES and not response.content.at_eof():
                body += await response.content.read(ANSWER_BYTES + 1 - len(body))
        report = read_status(body) if len(body) <= ANSWER_BYTES else None
        if report is None:
            raise ValueError("no report")
        pod.report, pod.etag = report, response.headers.get("ETag", "")

    def _pause(self, pod: _Pod) -> float:
        """Seconds until the next question: fewer while the pod has not taken the wanted config over."""
        digest = self._wanted.get(pod.key)
        settled = pod.report is not None and (digest is None or pod.report.config_hash == digest)
        return self._interval if settled or pod.is_silent else min(EAGER_SECONDS, self._interval)

    def _url(self, target: Target) -> str:
        host = f"[{target.address}]" if ":" in target.address else target.address
        return f"http://{host}:{target.port or self._port}/status"
