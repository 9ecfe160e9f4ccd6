"""What the store keeps of a session, with nothing in it that opens anything."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from vmcp_proxy.protocol import params
from vmcp_proxy.protocol.methods import LOG_LEVELS

_BACKEND: Final = b"backend:"

LEVEL_FIELD: Final = "level"
"""The field that holds the client's log level."""

STREAM_FIELD: Final = "stream"
"""The field that holds the name of the pod with the client's GET stream."""


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """The shared part of a session.

    `binding` and `fingerprint` are keyed digests, `client_capabilities` is the raw JSON of `initialize`,
    `backends` holds pairs of a backend's name and its sealed session token, `log_level` is the client's last
    `logging/setLevel`, `stream` the name of the pod that holds its GET stream. Header values, tokens of the
    caller, lists and messages have no place here. The times lie beside it, in the store's own clock.
    """

    binding: bytes
    fingerprint: bytes
    protocol_version: str
    client_capabilities: bytes
    backends: tuple[tuple[str, bytes], ...] = ()
    log_level: str | None = None
    stream: str | None = None

    def encode(self) -> dict[bytes, bytes]:
        """The fields of a Redis hash."""
        fields = {
            b"binding": self.binding,
            b"fingerprint": self.fingerprint,
            b"protocol": self.protocol_version.encode(),
            b"capabilities": self.client_capabilities,
        }
        fields |= {backend_field(name): sealed for name, sealed in self.backends}
        texts = ((LEVEL_FIELD, self.log_level), (STREAM_FIELD, self.stream))
        fields |= {name.encode(): text.encode() for name, text in texts if text is not None}
        return fields


def backend_field(backend: str) -> bytes:
    """The field that holds one backend's sealed token."""
    return _BACKEND + backend.encode()


def parse_record(fields: Mapping[bytes, bytes]) -> SessionRecord | None:
    """The record of a Redis hash; fields unknown here are left out, `None` when one is missing or damaged."""
    try:
        params.parse_members(fields[b"capabilities"])
        return SessionRecord(
            binding=fields[b"binding"],
            fingerprint=fields[b"fingerprint"],
            protocol_version=fields[b"protocol"].decode(),
            client_capabilities=fields[b"capabilities"],
            backends=tuple(
                (name.removeprefix(_BACKEND).decode(), sealed)
                for name, sealed in sorted(fields.items())
                if name.startswith(_BACKEND)
            ),
            log_level=_level(fields),
            stream=_text(fields, STREAM_FIELD),
        )
    except (KeyError, ValueError):
        # Texts that are none and objects that are none are ValueErrors too.
        return None


def _level(fields: Mapping[bytes, bytes]) -> str | None:
    level = _text(fields, LEVEL_FIELD)
    if level is not None and level not in LOG_LEVELS:
        raise ValueError("no log level")
    return level


def _text(fields: Mapping[bytes, bytes], name: str) -> str | None:
    value = fields.get(name.encode())
    return None if value is None else value.decode()
