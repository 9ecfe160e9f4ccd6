"""Between a live session and its record in the store."""

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.keys.keyring import Keyring
from vmcp_proxy.sessions.keyed.ids import SessionDigest
from vmcp_proxy.sessions.keyed.sealing import seal, unseal
from vmcp_proxy.sessions.live.session import Session
from vmcp_proxy.sessions.store.protocol import Found, Times
from vmcp_proxy.sessions.store.record import SessionRecord


def record_of(session: Session, keyring: Keyring) -> SessionRecord:
    """The record of a session, its backend tokens sealed."""
    return SessionRecord(
        binding=session.binding,
        fingerprint=session.fingerprint,
        protocol_version=session.protocol_version,
        client_capabilities=session.client_capabilities,
        backends=tuple(
            (name, seal(keyring, session.digest, name, token)) for name, token in sorted(session.backend_tokens.items())
        ),
        log_level=session.log_level,
        stream=session.stream,
    )


def times_of(session: Session, now: float) -> Times:
    """Where a session stands at this monotonic time."""
    return Times(now - session.created, now - session.last_seen, session.deadline - now)


def session_of(
    found: Found,
    *,
    digest: SessionDigest,
    identity: Identity,
    snapshot: HeaderSnapshot,
    keyring: Keyring,
    now: float,
    max_lifetime: float,
) -> Session:
    """The live session of a record; a backend token that does not open is left out and made anew when needed."""
    created = now - found.times.age
    session = Session(
        digest=digest,
        identity=identity,
        binding=found.record.binding,
        fingerprint=found.record.fingerprint,
        snapshot=snapshot,
        protocol_version=found.record.protocol_version,
        client_capabilities=found.record.client_capabilities,
        client_info=b"",
        created=created,
        deadline=min(now + found.times.left, created + max_lifetime),
        last_seen=now,
    )
    session.log_level = found.record.log_level
    for name, sealed in found.record.backends:
        if (token := unseal(keyring, digest, name, sealed)) is not None:
            session.backend_tokens[name] = token
    return session
