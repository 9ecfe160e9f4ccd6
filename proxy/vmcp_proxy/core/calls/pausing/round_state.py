"""The `requestState` of a call that pauses: sealed, so that any replica serves the retry and nobody else's (ADR-0061).

A token is `v1.<kid>.<sealed>`: AES-256-GCM under a key for this purpose, of the highest key id when it was made. Inside
stand when it expires, whose it is and by what access token, for which request, and what it is for: the state of a
backend, or the place of a call that waits in this process or in another one. A state that is too large to be sealed
follows its token in the clear after one more dot, and the token holds its SHA-256: who has made it shows it to the
client anyway.
"""

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from enum import StrEnum
from typing import Final, TypeAlias

import msgspec

from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.headerforward import HeaderSnapshot
from vmcp_proxy.keys import aead
from vmcp_proxy.keys.keyring import KeyLabel, Keyring
from vmcp_proxy.protocol.jsonrpc import Raw
from vmcp_proxy.protocol.modern.canonical import digest_of

STATE_SECONDS: Final = 3600.0
"""How long the state of a backend may come back: people are asked meanwhile, and may be at lunch."""

MOST_SEALED: Final = 16 << 10
"""Bytes of a state that are sealed: base64 makes them a third more, and the body of the retry has to hold them."""

_VERSION: Final = "v1"


class Parked(msgspec.Struct, frozen=True, array_like=True, tag="p", gc=False):
    """The place of a call that waits for its client: a process by name, and a number there.

    `tool` is the tool that it is handed on to by the one that its client names; empty where it is not. `asked` are the
    keys of what it waits for.
    """

    pod: str
    number: int
    tool: str = ""
    asked: tuple[str, ...] = ()


class Relayed(msgspec.Struct, frozen=True, array_like=True, tag="r", gc=False):
    """A backend's own state."""

    state: str


class _Sealed(msgspec.Struct, frozen=True, array_like=True, tag="s", gc=False):
    state: bytes


class _Apart(msgspec.Struct, frozen=True, array_like=True, tag="a", gc=False):
    digest: bytes


class Binding(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a state is good for: digests of who calls with which headers, and of what is called with which arguments.

    `grant` is one of what the token of the caller says, where nobody asks policies again before the state is used.
    """

    caller: bytes
    request: bytes
    grant: bytes = b""


class _Plain(msgspec.Struct, frozen=True, array_like=True, gc=False):
    expires: float
    binding: Binding
    content: _Sealed | _Apart | Parked


class Flaw(StrEnum):
    """Why a state cannot be used, in words for whoever has sent it."""

    CHANGED = "it is none that was given out here, or was changed on the way"
    EXPIRED = "it is too old"
    OTHER_CALLER = "it was given to another caller, or to a request with other headers"
    OTHER_GRANT = "it was given to the same caller with a token that says other things"
    OTHER_REQUEST = "it belongs to another request: method, name and arguments must be those of the first one"


Content: TypeAlias = Relayed | Parked


class Opened(msgspec.Struct, frozen=True, gc=False):
    """A state that was given out here and is in time; whether it is for this request is told by `flaw_for`."""

    binding: Binding
    content: Content

    def flaw_for(self, binding: Binding) -> Flaw | None:
        """Why it cannot be used by this caller for this request; None where it can."""
        if self.binding.caller != binding.caller:
            return Flaw.OTHER_CALLER
        if self.binding.request != binding.request:
            return Flaw.OTHER_REQUEST
        return None if self.binding.grant == binding.grant else Flaw.OTHER_GRANT


def bind(
    identity: Identity, snapshot: HeaderSnapshot, method: str, name: str, arguments: Raw | None, backend: str
) -> Binding:
    """What a state is good for; `backend` is empty where the request need not be routed, and so judged, again.

    Raises:
        InvalidParamsError: the arguments cannot be read.
    """
    request = (backend.encode(), method.encode(), name.encode(errors="surrogatepass"), digest_of(arguments))
    grant = b"" if backend else _digest(identity.grant)
    return Binding(_digest(identity.canonical_bytes, snapshot.canonical_bytes()), _digest(*request), grant)


def seal_relayed(keyring: Keyring, binding: Binding, state: str, now: float) -> str:
    """A backend's state as the client gets it; `now` in Unix seconds."""
    text = state.encode(errors="surrogatepass")
    expires = now + STATE_SECONDS
    if len(text) <= MOST_SEALED:
        return _seal(keyring, _Plain(expires, binding, _Sealed(text)))
    return f"{_seal(keyring, _Plain(expires, binding, _Apart(_digest(text))))}.{state}"


def seal_parked(keyring: Keyring, binding: Binding, place: Parked, expires: float) -> str:
    """What lets the client go on with a call that waits; `expires` in Unix seconds."""
    return _seal(keyring, _Plain(expires, binding, place))


def open_state(keyring: Keyring, text: str, now: float) -> Opened | Flaw:
    """What was sealed; every key of the ring opens."""
    version, _, rest = text.partition(".")
    kid, _, rest = rest.partition(".")
    sealed, apart, state = rest.partition(".")
    plain = _unseal(keyring, kid, sealed) if version == _VERSION and kid in keyring else None
    if plain is None:
        return Flaw.CHANGED
    # Written so that what is no number at all is too old, too.
    if not now < plain.expires:
        return Flaw.EXPIRED
    match plain.content:
        case Parked() as place if not apart:
            return Opened(plain.binding, place)
        case _Sealed(raw) if not apart:
            return Opened(plain.binding, Relayed(raw.decode(errors="surrogatepass")))
        case _Apart(digest) if apart and _digest(state.encode(errors="surrogatepass")) == digest:
            return Opened(plain.binding, Relayed(state))
    return Flaw.CHANGED


def _seal(keyring: Keyring, plain: _Plain) -> str:
    kid = keyring.signing_kid
    key = keyring.derive(kid, KeyLabel.REQUEST_STATE)
    sealed = aead.seal(key, msgspec.msgpack.encode(plain), _place(kid))
    return f"{_VERSION}.{kid}.{_text(sealed)}"


def _unseal(keyring: Keyring, kid: str, text: str) -> _Plain | None:
    try:
        sealed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        return None
    if _text(sealed) != text:
        # Only the one spelling that is given out.
        return None
    raw = aead.unseal(keyring.derive(kid, KeyLabel.REQUEST_STATE), sealed, _place(kid))
    try:
        return None if raw is None else msgspec.msgpack.decode(raw, type=_Plain)
    except msgspec.DecodeError:
        # Of a form that another version of this program writes.
        return None


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()


def _place(kid: str) -> bytes:
    return f"{_VERSION}.{kid}".encode()


def _digest(*fields: bytes) -> bytes:
    """SHA-256 of fields, each with its length before it."""
    return hashlib.sha256(b"".join(len(field).to_bytes(8, "big") + field for field in fields)).digest()
