"""The tokens of one backend's strategy: kept while they are good, got once for all who wait, renewed in time."""

import asyncio
import logging
import math
import secrets
import time
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from typing import Any, Final, Protocol, TypeAlias
from weakref import WeakValueDictionary

from vmcp_api.secret import SecretBytes
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.auth.outgoing.errors import EndpointAwayError, OutgoingAuthError
from vmcp_proxy.auth.outgoing.fixed import AUTHORIZATION, FixedHeader
from vmcp_proxy.auth.outgoing.grant import Issued
from vmcp_proxy.observability.logs import describe_exception, log_event

logger: Final = logging.getLogger("vmcp.auth")

ISSUE_SECONDS: Final = 15.0
"""How long it may take to get a token, with all requests that it needs."""

_MARGIN_SECONDS: Final = 10.0
"""A token is not used in its last seconds, or its last tenth: it has to be good when the backend reads it."""

_RENEWED_FROM: Final = 0.75
_RENEWED_UNTIL: Final = 0.9
"""The part of its time after which a token that is in use is renewed, at random between these."""

_FIRST_PAUSE: Final = 1.0
_LONGEST_PAUSE: Final = 30.0
"""How long an endpoint that gave no token is left alone, in seconds, the longer the more often it did."""

_RENEWAL_PAUSE: Final = 10.0
"""A token that replaced a refused one is not replaced in its turn for so many seconds: it is not what is wrong."""

_STEPS: Final = 1024


class Issuer(Protocol):
    """Gets tokens; equal issuers get the same."""

    @property
    def needs_user(self) -> bool:
        """Whether each caller has tokens of its own."""

    async def issue(self, user: SecretBytes | None) -> Issued:
        """A token; `user` is the caller's own token, where it has one.

        Raises:
            OutgoingAuthError: there is none.
        """


Issue: TypeAlias = Callable[[], Coroutine[Any, Any, Issued]]
"""Gets the token of one slot."""


@dataclass(frozen=True, slots=True, eq=False)
class Grant:
    """The header that a token makes, from when on it should be renewed and from when on it is no good (loop time)."""

    header: FixedHeader
    renew_at: float
    expires_at: float


@dataclass(slots=True, eq=False)
class Trouble:
    """What last kept callers from a token and lies with none of them; empty once one is got."""

    said: str = ""


class Slot:
    """The token of one caller at one backend, or of all callers.

    It lives as long as somebody's credentials hold it, and the token with it: a session that ends takes it along.
    What gets the token runs in `tasks`, for none of those who wait may take it away from the others. It is used no
    longer than the caller's own lets in, which is until `until` (Unix seconds; `None`: for ever).
    """

    __slots__ = (
        "__weakref__",
        "_backend",
        "_failure",
        "_failures",
        "_flight",
        "_grant",
        "_issue",
        "_renewable_at",
        "_retry_at",
        "_tasks",
        "_told",
        "_trouble",
        "_until",
        "header_name",
    )

    def __init__(
        self,
        backend: str,
        issue: Issue,
        header_name: str,
        tasks: asyncio.TaskGroup,
        trouble: Trouble,
        until: float | None = None,
    ) -> None:
        self.header_name = header_name
        self._backend = backend
        self._issue = issue
        self._tasks = tasks
        self._trouble = trouble
        self._until = until
        self._grant: Grant | None = None
        self._flight: asyncio.Task[Grant | OutgoingAuthError] | None = None
        self._failure: OutgoingAuthError | None = None
        self._failures = 0
        self._told: Mapping[str, str] = {}
        self._retry_at = 0.0
        self._renewable_at = 0.0

    def __repr__(self) -> str:
        state = "empty" if self._grant is None else "filled"
        return f"<Slot {state}{', waiting' if self._flight else ''}>"

    def current(self) -> Grant | None:
        """The token at hand; one that ends soon is renewed meanwhile."""
        grant = self._grant
        if grant is None:
            return None
        now = asyncio.get_running_loop().time()
        if now < grant.renew_at:
            return grant
        if now >= grant.expires_at:
            self._grant = None
            return None
        if self._flight is None and now >= self._retry_at:
            self._begin()
        return grant

    async def fetch(self, instead_of: Grant | None = None) -> Grant:
        """The token at hand, or the one that is got now; whoever waits may be cancelled without the others.

        `instead_of` is one that was refused: another is waited for.

        Raises:
            OutgoingAuthError: there is none, or there was none a moment ago.
        """
        grant = self.current()
        if grant is not None and grant is not instead_of:
            return grant
        flight = self._flight
        if flight is None:
            if self._failure is not None and asyncio.get_running_loop().time() < self._retry_at:
                raise self._failure.again()
            flight = self._begin()
        await asyncio.wait((flight,))
        found = flight.result()
        if isinstance(found, OutgoingAuthError):
            raise found.again()
        return found

    def refused(self, grant: Grant) -> bool:
        """Hears that the backend did not take it; whether there may be another one, which is got meanwhile.

        The others go on with this one: what was refused may be a header that the caller came with beside it.
        """
        if self._grant is not grant or self._flight is not None:
            return True
        now = asyncio.get_running_loop().time()
        if now < max(self._renewable_at, self._retry_at):
            return False
        self._renewable_at = now + _RENEWAL_PAUSE
        self._begin()
        return True

    def _begin(self) -> "asyncio.Task[Grant | OutgoingAuthError]":
        self._flight = self._tasks.create_task(self._get(), name="get a token")
        return self._flight

    async def _get(self) -> Grant | OutgoingAuthError:
        began = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(ISSUE_SECONDS):
                issued = await self._issue()
        except OutgoingAuthError as error:
            return self._failed(error)
        except TimeoutError:
            return self._failed(EndpointAwayError("the token endpoint", "does not answer in time"))
        except Exception as error:  # noqa: BLE001 - whatever an endpoint sends, it must not end the process
            log_event(logger, logging.ERROR, "token failed", backend=self._backend, error=describe_exception(error))
            return self._failed(EndpointAwayError("the token endpoint", "gives an answer that cannot be read"))
        finally:
            self._flight = None
        self._failure, self._failures = None, 0
        self._trouble.said = ""
        if self._told:
            self._told = {}
            log_event(logger, logging.INFO, "a backend has a token again", backend=self._backend)
        self._grant = self._granted(issued, began)
        return self._grant

    def _granted(self, issued: Issued, began: float) -> Grant:
        header = FixedHeader(self.header_name, SecretBytes(b"Bearer " + issued.token.reveal()))
        usable = issued.lifetime - min(_MARGIN_SECONDS, issued.lifetime / 10)
        left = math.inf if self._until is None else self._until - time.time()
        if left <= usable:
            # Another one could not be used for longer.
            return Grant(header, began + left, began + left)
        share = _RENEWED_FROM + (_RENEWED_UNTIL - _RENEWED_FROM) * secrets.randbelow(_STEPS) / _STEPS
        return Grant(header, began + usable * share, began + usable)

    def _failed(self, error: OutgoingAuthError) -> OutgoingAuthError:
        """What is asked with something dead is not asked again soon, and what was got with it is not used."""
        if error.is_dead:
            self._grant = None
        else:
            self._trouble.said = str(error)
        pause = _LONGEST_PAUSE if error.is_dead else min(_FIRST_PAUSE * 2**self._failures, _LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 10)
        # Once, however often it is tried; the words of the server, which no caller hears, are for its operator.
        told = {"reason": str(error), "endpoint": error.endpoint, "said": error.detail}
        if told != self._told:
            self._told = told
            shown = {name: value for name, value in told.items() if value}
            log_event(logger, logging.WARNING, "no token for a backend", backend=self._backend, **shown)
        # A copy: the traceback of the one that was raised holds what was sent.
        self._failure = error.again()
        self._retry_at = asyncio.get_running_loop().time() + max(pause, error.retry_after)
        return self._failure


@dataclass(frozen=True, slots=True)
class TokenSource:
    """The tokens of one backend, by its name; equal sources get the same, each with what it holds.

    `header_name` is where they go, `Authorization` where nothing else is said.
    """

    backend: str
    issuer: Issuer
    tasks: asyncio.TaskGroup = field(repr=False, compare=False)
    header_name: str = AUTHORIZATION
    trouble: Trouble = field(default_factory=Trouble, init=False, repr=False, compare=False)
    _slots: WeakValueDictionary[bytes, Slot] = field(
        default_factory=WeakValueDictionary, init=False, repr=False, compare=False
    )

    @property
    def needs_user(self) -> bool:
        """Whether each caller has tokens of its own."""
        return self.issuer.needs_user

    def slot_for(self, identity: Identity | None) -> Slot:
        """The slot of a caller: the same for the same token of the same caller, as long as somebody holds it.

        What is got for one token of a caller is not used for another one of the same: it may be good for more.
        """
        token = None if identity is None or not self.needs_user else identity.token
        key = b"" if token is None else sha256(token.reveal()).digest()
        slot = self._slots.get(key)
        if slot is None:
            issue = partial(self.issuer.issue, token)
            until = None if identity is None or token is None else identity.expires_at
            slot = self._slots[key] = Slot(self.backend, issue, self.header_name, self.tasks, self.trouble, until)
        return slot
