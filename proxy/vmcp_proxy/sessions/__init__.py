"""MCP sessions of clients: signed ids, identity binding, header snapshots, stores, messages between pods."""

from vmcp_proxy.sessions.factory import BadAddressError, build_store
from vmcp_proxy.sessions.ids import SessionDigest, SessionIds
from vmcp_proxy.sessions.keys import BadKeyError, KeyLabel, Keyring
from vmcp_proxy.sessions.manager import SessionManager
from vmcp_proxy.sessions.outcomes import Created, Missing, MissingReason, RefusalReason, Refused
from vmcp_proxy.sessions.pod_messages import PodMessages
from vmcp_proxy.sessions.session import EndReason, Session
from vmcp_proxy.sessions.store import SessionStore, StoreState, StoreUnavailable

__all__ = [
    "BadAddressError",
    "BadKeyError",
    "Created",
    "EndReason",
    "KeyLabel",
    "Keyring",
    "Missing",
    "MissingReason",
    "PodMessages",
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
