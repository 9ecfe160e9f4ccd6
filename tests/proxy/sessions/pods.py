"""Pods of the tests: a session manager with its store, running, that notes what ends and why."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Self, TypeVar

from tests.support.raw_client import WAIT_SECONDS, eventually
from tests.support.redis_server import RedisServer
from vmcp_api.config.sessions import StorageConfig
from vmcp_api.spec.sessions import SessionManagement, StorageProvider
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT, HeaderSnapshot
from vmcp_proxy.redis_client.service import build_service
from vmcp_proxy.sessions import (
    Created,
    EndReason,
    Keyring,
    Missing,
    MissingReason,
    RefusalReason,
    Refused,
    Session,
    SessionIds,
    SessionManager,
    SessionStore,
)
from vmcp_proxy.sessions.store.redis import RedisStore

T = TypeVar("T")

SCOPE = "team-a/desk"
KEYS = Keyring.of({"1": bytes(range(32))})
ALICE = Identity("https://idp.example", "alice", has_authorization=True)
BOB = Identity("https://idp.example", "bob", has_authorization=True)
HEADERS = HeaderSnapshot([("X-Api-Key", b"canary-header-value")])
OTHER_HEADERS = HeaderSnapshot([("X-Api-Key", b"another-value")])
CAPABILITIES = b'{"roots":{"listChanged":true}}'


class OwnStore(RedisStore):
    """A store that has its connections for itself, and closes them."""

    def __init__(self, storage: StorageConfig, scope: str = SCOPE, **passwords: bytes | None) -> None:
        service = build_service(storage, **passwords)
        super().__init__(service, scope)
        self._service = service

    async def aclose(self) -> None:
        await self._service.link.aclose()


def redis_store(server: RedisServer, password: bytes | None = None, **storage: object) -> OwnStore:
    document = {"provider": StorageProvider.REDIS, "address": server.address, **storage}
    return OwnStore(StorageConfig.model_validate(document), password=password)


class Pod:
    """One proxy process as far as sessions go."""

    def __init__(self, store: SessionStore, keyring: Keyring = KEYS, **settings: object) -> None:
        self.store = store
        self.ends: list[tuple[str, EndReason]] = []
        self.end_snapshots: list[HeaderSnapshot] = []
        self._changed = asyncio.Condition()
        self.sessions = SessionManager(
            store=store,
            ids=SessionIds(keyring),
            settings=SessionManagement.model_validate(settings),
            on_end=self._note_end,
        )
        self._running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.start()
        if self.store.is_shared:
            await self.subscribed(1)
        return self

    def start(self) -> None:
        self._running = asyncio.create_task(self.sessions.run())

    async def subscribed(self, times: int) -> None:
        """Wait until the pod has (again) begun to hear of ends on other pods."""
        await eventually(lambda: self.sessions._cache.epoch >= times)

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Shut down as a pod does on SIGTERM."""
        await self.crash()
        await self.sessions.aclose()
        await self.store.aclose()

    async def crash(self) -> None:
        """Stop in the middle of everything."""
        if self._running is not None:
            self._running.cancel()
            results = await asyncio.gather(self._running, return_exceptions=True)
            self._running = None
            assert isinstance(results[0], asyncio.CancelledError), results[0]

    async def open(
        self,
        identity: Identity = ALICE,
        snapshot: HeaderSnapshot = HEADERS,
        capabilities: bytes = CAPABILITIES,
    ) -> tuple[str, Session]:
        created = await self.sessions.create(
            identity,
            protocol_version="2025-11-25",
            client_capabilities=capabilities,
            client_info=b'{"name":"test"}',
            snapshot=snapshot,
        )
        assert isinstance(created, Created), created
        return created.session_id, created.session

    async def use(
        self, session_id: str, identity: Identity = ALICE, snapshot: HeaderSnapshot = HEADERS
    ) -> Session | MissingReason:
        """One request: the hot path first, then the full one."""
        if (session := self.sessions.peek(session_id, identity)) is not None:
            return session
        found = await self.sessions.resolve(session_id, identity, lambda: snapshot)
        return found.reason if isinstance(found, Missing) else found

    async def end_of(self, session: Session, seconds: float = WAIT_SECONDS) -> EndReason:
        """Wait until the hook was called for a session; why it ended."""
        async with asyncio.timeout(seconds), self._changed:
            await self._changed.wait_for(lambda: session.ref in dict(self.ends))
        return dict(self.ends)[session.ref]

    async def _note_end(self, session: Session, reason: EndReason) -> None:
        async with self._changed:
            self.ends.append((session.ref, reason))
            self.end_snapshots.append(session.snapshot)
            self._changed.notify_all()


async def once_available(ask: Callable[[], Awaitable[T]], seconds: float = WAIT_SECONDS) -> T:
    """Ask until the answer is another than that the store is unavailable."""
    unavailable = (MissingReason.UNAVAILABLE, Refused(RefusalReason.UNAVAILABLE))
    async with asyncio.timeout(seconds):
        while (answer := await ask()) in unavailable:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.02)
    return answer


def empty() -> HeaderSnapshot:
    return EMPTY_SNAPSHOT
