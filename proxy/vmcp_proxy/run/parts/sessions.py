"""Builds what holds sessions, and what tells other pods of them."""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmcp_api.config import ProxyConfig
from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.pods.announcer import News
from vmcp_proxy.pods.messages import PodMessages
from vmcp_proxy.pods.session_sharing import BetweenPods
from vmcp_proxy.sessions import Keyring, SessionIds, SessionManager, SessionStore, build_store

if TYPE_CHECKING:
    from vmcp_proxy.redis_client.service import RedisService


@dataclass(frozen=True, slots=True)
class SessionParts:
    """`clients` are what the process holds for the client of each session, `pods` the messages of other pods."""

    store: SessionStore
    ids: SessionIds
    manager: SessionManager
    clients: SessionClients
    pods: PodMessages
    between: BetweenPods
    news: News

    def keyring(self) -> Keyring:
        """The session keys in force now."""
        return self.ids.keyring

    def rotate(self, keyring: Keyring) -> bool:
        """Takes new session keys; sessions whose key is gone end. Whether one of the former is gone."""
        former = self.ids.keyring
        if keyring.signing_kid == former.signing_kid and keyring.is_same(former):
            return False
        self.manager.rotate(keyring)
        return not keyring.keeps(former)


def build_sessions(
    config: ProxyConfig, redis: "RedisService | None", keyring: Keyring, tasks: asyncio.TaskGroup
) -> SessionParts:
    """The store is the one of this config until the process ends."""
    store = build_store(redis, f"{config.namespace}/{config.name}")
    ids = SessionIds(keyring)
    clients = SessionClients()
    manager = SessionManager(store=store, ids=ids, settings=config.session_management, on_end=clients.ended)
    pods = PodMessages(store, ids)
    between = BetweenPods(pods, manager.shared, clients, is_shared=store.is_shared)
    news = News(tasks, between, manager.shared, clients, is_shared=store.is_shared)
    return SessionParts(store, ids, manager, clients, pods, between, news)
