"""MCP sessions of clients: signed ids, identity binding, header snapshots, stores."""

from vmcp_proxy.keys.keyring import BadKeyError, KeyLabel, Keyring
from vmcp_proxy.sessions.keyed.ids import SessionDigest, SessionIds
from vmcp_proxy.sessions.live.outcomes import Created, Missing, MissingReason, RefusalReason, Refused
from vmcp_proxy.sessions.live.session import EndReason, Session
from vmcp_proxy.sessions.manager import SessionManager
from vmcp_proxy.sessions.store.factory import build_store
from vmcp_proxy.sessions.store.protocol import SessionStore, StoreState, StoreUnavailable

__all__ = [
    "BadKeyError",
    "Created",
    "EndReason",
    "KeyLabel",
    "Keyring",
    "Missing",
    "MissingReason",
    "RefusalReason",
    "Refused",
    "Session",
    "SessionDigest",
    "SessionIds",
    "SessionManager",
    "SessionStore",
    "StoreState",
    "StoreUnavailable",
    "build_store",
]
