"""What a proxy says of itself at `/status`: the contract of proxy, operator and command line (ADR-0009).

The members of the document are the fields below in camelCase: whoever renames one renames it at both ends.
"""

import json
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final, TypeAlias

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter, ValidationInfo
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticUseDefault

from vmcp_api.base import Json
from vmcp_api.config import CONTRACT

KEYS_OK: Final = "ok"
KEYS_MISSING: Final = "missing"
STORE_OK: Final = "ok"
STORE_UNAVAILABLE: Final = "unavailable"
STORE_UNKNOWN: Final = "unknown"
"""A store that nobody has asked yet."""
ISSUER_OK: Final = "ok"
ISSUER_UNAVAILABLE: Final = "unavailable"
ISSUER_UNKNOWN: Final = "unknown"
"""An issuer that was not asked yet."""
RATE_LIMITING: Final = "rateLimiting"
"""The setting of an `UnmatchedReport` that is about no backend: limits of a tool that nobody serves."""
COMPOSITE_TOOLS: Final = "compositeTools"
"""The same for tools that steps of composite tools call and nobody serves; stands for those tools among claimants."""
OPTIMIZER: Final = "optimizer"
"""The same for `alwaysVisible` tools that nobody serves; stands for the tools of tool search among claimants."""
LEXICAL: Final = "lexical"
HYBRID: Final = "hybrid"
"""How the process ranks tools: by words, or by words and vectors."""
WITHHELD: Final = "withheld"
"""The status of a backend that is not served, beside those of `Health`."""


class Health(StrEnum):
    """The status of a backend that is served."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    UNAUTHENTICATED = "unauthenticated"


class CircuitState(StrEnum):
    """Whether requests may pass: all, none, or one to try."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


def _text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise PydanticUseDefault
    # Half a surrogate pair can be no UTF-8; the API server would put another character there.
    return value.encode(errors="replace").decode()


def _count(value: object) -> int:
    if type(value) is not int or value < 0:
        raise PydanticUseDefault
    return value


def _part(value: object) -> dict[str, object]:
    if not isinstance(value, dict):
        raise PydanticUseDefault
    # Pydantic looks at the names of unknown members too, and refuses half a surrogate pair in them.
    return {name: member for name, member in value.items() if name.isascii()}


def _parts(value: object, info: ValidationInfo) -> list[object]:
    return [_part(each) for each in _entries(value, info) if isinstance(each, dict)]


def _texts(value: object, info: ValidationInfo) -> list[object]:
    return [each for each in _entries(value, info) if isinstance(each, str) and each]


def _entries(value: object, info: ValidationInfo) -> list[object]:
    return value[: info.context] if isinstance(value, list) else []


# A proxy of another version may say anything: what has a wrong type is read as if it were absent.
_ABSENT: Final = Field(exclude_if=lambda value: value is None)
_Text: TypeAlias = Annotated[str, BeforeValidator(_text)]
_OptionalText: TypeAlias = Annotated[str | None, BeforeValidator(_text), _ABSENT]
_Number: TypeAlias = Annotated[int, BeforeValidator(_count)]
_OptionalNumber: TypeAlias = Annotated[int | None, BeforeValidator(_count), _ABSENT]
_Texts: TypeAlias = Annotated[tuple[_Text, ...], BeforeValidator(_texts)]

_DOCUMENT: Final = ConfigDict(alias_generator=to_camel, extra="ignore")


@dataclass(frozen=True, slots=True)
class LoadError:
    """Why the config that is mounted is not in force; `path` is the place in it."""

    __pydantic_config__: ClassVar = _DOCUMENT

    path: _Text = ""
    message: _Text = ""


@dataclass(frozen=True, slots=True)
class StoreReport:
    """A store or sink as the pod reaches it; `message` is empty while it does."""

    __pydantic_config__: ClassVar = _DOCUMENT

    state: _Text = STORE_OK
    message: _Text = ""

    @property
    def is_away(self) -> bool:
        """Whether it was asked and does not answer."""
        return self.state not in (STORE_OK, STORE_UNKNOWN)

    @property
    def is_known(self) -> bool:
        """Whether it was asked at all."""
        return self.state != STORE_UNKNOWN


@dataclass(frozen=True, slots=True)
class IssuerReport:
    """The issuer of callers' tokens as the pod reaches it; `message` is empty while it does.

    Tokens by keys that are known are let in while it is away, so that a pod without it is ready.
    """

    __pydantic_config__: ClassVar = _DOCUMENT

    state: _Text = ISSUER_UNKNOWN
    message: _Text = ""

    @property
    def is_away(self) -> bool:
        """Whether it was asked and does not answer as it should."""
        return self.state == ISSUER_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class BackendReport:
    """One backend as the pod sees it; `status` is a `Health`, or `WITHHELD` with the `reason`.

    `auth_type` is the strategy by which it is authenticated to. `callers` is what keeps callers from a token of their
    own for it, absent where nothing does: probes have no caller, so that `status` does not show it. `circuit` is absent
    without a breaker, `revision` (of MCP; two where it speaks both protocols) and the numbers until the backend has
    answered.
    """

    __pydantic_config__: ClassVar = _DOCUMENT

    name: _Text = ""
    kind: _Text = ""
    status: _Text = ""
    transport: _OptionalText = None
    auth_type: _OptionalText = None
    reason: _OptionalText = None
    message: _Text = ""
    callers: _OptionalText = None
    circuit: _OptionalText = None
    revision: _OptionalText = None
    tools: _OptionalNumber = None
    resources: _OptionalNumber = None
    templates: _OptionalNumber = None
    prompts: _OptionalNumber = None


@dataclass(frozen=True, slots=True)
class ConflictReport:
    """A name that several backends claim; without a `winner` nobody serves it."""

    __pydantic_config__: ClassVar = _DOCUMENT

    kind: _Text = ""
    name: _Text = ""
    winner: Annotated[str | None, BeforeValidator(_text)] = None
    losers: _Texts = ()


@dataclass(frozen=True, slots=True)
class DroppedReport:
    """An entry of a backend's list that is not served."""

    __pydantic_config__: ClassVar = _DOCUMENT

    backend: _Text = ""
    kind: _Text = ""
    name: _Text = ""
    reason: _Text = ""


@dataclass(frozen=True, slots=True)
class UnmatchedReport:
    """An entry of the aggregation settings that fits nothing, or (without a backend) of rate limits and others."""

    __pydantic_config__: ClassVar = _DOCUMENT

    backend: _Text = ""
    setting: _Text = ""
    name: _Text = ""


@dataclass(frozen=True, slots=True)
class SecretReport:
    """A key of a Secret, as `<Secret>/<key>`, that is there and of no use; `message` says why and what to do."""

    __pydantic_config__: ClassVar = _DOCUMENT

    name: _Text = ""
    message: _Text = ""


@dataclass(frozen=True, slots=True)
class SearchReport:
    """How tools are found where tool search is on.

    `ranking` is `LEXICAL` or `HYBRID`. `embeddings` says how the server of embeddings can be asked, absent where none
    is.
    """

    __pydantic_config__: ClassVar = _DOCUMENT

    ranking: _Text = LEXICAL
    embeddings: Annotated[StoreReport | None, BeforeValidator(_part), _ABSENT] = None


@dataclass(frozen=True, slots=True)
class Counts:
    """How much is served.

    `context_bytes` is what all tools together cost a model, `listed_context_bytes` what those cost that a list holds
    under tool search; absent where that is off, or leaves the list as it is.
    """

    __pydantic_config__: ClassVar = _DOCUMENT

    tools: _OptionalNumber = None
    resources: _OptionalNumber = None
    templates: _OptionalNumber = None
    prompts: _OptionalNumber = None
    context_bytes: _OptionalNumber = None
    listed_context_bytes: _OptionalNumber = None


@dataclass(frozen=True, slots=True)
class PodStatus:
    """The whole document; holds names and counts, no URL and no secret.

    `key_ids` are those of the session keys that it believes, empty where it made its own and of a proxy that does not
    tell; `signing_key` is the one that signs. `dropped_tools` are entries of every kind. `missing_secrets` are as
    `<Secret>/<key>`. `issuer` is absent where callers show no tokens, `rate_limits` (how their buckets can be asked)
    where nothing is limited, `audit` (how its sink fares) where none is written, `search` where tool search is off.
    `lack` is why a bridge cannot call its process, absent where it can.
    """

    __pydantic_config__: ClassVar = _DOCUMENT

    contract: _Number = CONTRACT
    config_hash: _Text = ""
    load_error: Annotated[LoadError | None, BeforeValidator(_part)] = None
    keys: _Text = KEYS_OK
    key_ids: _Texts = ()
    signing_key: _OptionalText = None
    lack: _OptionalText = None
    store: Annotated[StoreReport, BeforeValidator(_part)] = field(default_factory=StoreReport)
    rate_limits: Annotated[StoreReport | None, BeforeValidator(_part), _ABSENT] = None
    issuer: Annotated[IssuerReport | None, BeforeValidator(_part), _ABSENT] = None
    audit: Annotated[StoreReport | None, BeforeValidator(_part), _ABSENT] = None
    search: Annotated[SearchReport | None, BeforeValidator(_part), _ABSENT] = None
    missing_secrets: _Texts = ()
    invalid_secrets: Annotated[tuple[SecretReport, ...], BeforeValidator(_parts)] = ()
    backends: Annotated[tuple[BackendReport, ...], BeforeValidator(_parts)] = ()
    conflicts: Annotated[tuple[ConflictReport, ...], BeforeValidator(_parts)] = ()
    dropped_tools: Annotated[tuple[DroppedReport, ...], BeforeValidator(_parts)] = ()
    unmatched: Annotated[tuple[UnmatchedReport, ...], BeforeValidator(_parts)] = ()
    counts: Annotated[Counts, BeforeValidator(_part)] = field(default_factory=Counts)

    @property
    def has_keys(self) -> bool:
        """Whether the session keys are mounted."""
        return self.keys != KEYS_MISSING


_STATUS: Final = TypeAdapter(PodStatus)


def to_document(status: PodStatus) -> dict[str, Json]:
    """The document of a status, its members in the order of the fields."""
    document: dict[str, Json] = _STATUS.dump_python(status, mode="json", by_alias=True)
    return document


def encode(status: PodStatus) -> bytes:
    """The document as it goes over the wire; equal statuses are equal bytes."""
    return json.dumps(to_document(status), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def from_document(document: dict[str, Any], *, most: int | None = None) -> PodStatus:
    """What a document says: unknown members are ignored, missing and mistyped ones have the default.

    `most` bounds the entries of each list that are read.
    """
    return _STATUS.validate_python(_part(document), context=most, by_alias=True, by_name=False)


def decode(body: bytes, *, most: int | None = None) -> PodStatus | None:
    """The status that bytes of any origin hold, read as `from_document` does; None where they hold no document."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return from_document(document, most=most) if isinstance(document, dict) else None
