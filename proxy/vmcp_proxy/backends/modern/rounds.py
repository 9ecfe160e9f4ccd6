"""The rounds of a call that needs input, for whoever cannot go through them: the client is asked as by a session."""

import asyncio
from typing import Final
from uuid import uuid4

import msgspec

from vmcp_proxy.backends.deadline import Deadline
from vmcp_proxy.backends.errors import BackendError, Category
from vmcp_proxy.backends.interface import Receiver, Reply
from vmcp_proxy.backends.modern.results import Asked
from vmcp_proxy.protocol import jsonrpc, params
from vmcp_proxy.protocol.modern.input_required import lacking
from vmcp_proxy.protocol.params import InvalidParamsError, Members

MOST_ROUNDS: Final = 10
"""As many as SDK clients go through."""

_PAUSES: Final = (0.05, 0.1, 0.2, 0.25)
"""Seconds before the retry of what asks for nothing but a retry, the longer the more often in a row."""

_BY_URL: Final = b'"url"'
_OF_ROUNDS: Final = frozenset({"inputresponses", "requeststate"})
_UNREADABLE: Final = "what it asks for is not valid MCP"


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The client has answered with an error, which ends the call."""

    error: msgspec.Raw


class Rounds:
    """The rounds of one call; `capabilities` are the client's, as the backend has heard of them."""

    def __init__(self, backend: str, capabilities: bytes, receiver: Receiver, deadline: Deadline) -> None:
        self._backend: Final = backend
        self._capabilities: Final = capabilities
        self._receiver: Final = receiver
        self._deadline: Final = deadline
        self._rounds = 0
        self._idle = 0

    async def replies(self, asked: Asked) -> Members | Refused:
        """The members to add to the params for the next round.

        Raises:
            BackendError: it asks for what it may not, or too often; or the wait is over.
        """
        self._rounds += 1
        if self._rounds > MOST_ROUNDS:
            raise self._odd(f"it asked for input in more than {MOST_ROUNDS} rounds")
        added: Members = {} if asked.state is None else {"requestState": asked.state}
        try:
            async with self._deadline.bound():
                if not asked.requests:
                    await asyncio.sleep(_PAUSES[min(self._idle, len(_PAUSES) - 1)])
                    self._idle += 1
                    return added
                self._idle = 0
                answers = await self._ask_all(asked.requests)
        except TimeoutError as error:
            raise BackendError(self._backend, Category.TIMEOUT) from error
        if isinstance(answers, Refused):
            return answers
        return added | {"inputResponses": msgspec.Raw(params.encode_members(answers))}

    async def _ask_all(self, requests: Members) -> Members | Refused:
        """Every answer, in the order of the questions, or the first error."""
        questions = [self._question(key, raw) for key, raw in requests.items()]
        loop = asyncio.get_running_loop()
        waits: dict[str, asyncio.Future[jsonrpc.Response]] = {key: loop.create_future() for key in requests}
        for question, wait in zip(questions, waits.values(), strict=True):
            await self._receiver.on_request(question, _into(wait))
        for answer in asyncio.as_completed(waits.values()):
            error = (await answer).error
            if error is not None:
                return Refused(error)
        return {key: msgspec.Raw(bytes(wait.result().result or b"{}")) for key, wait in waits.items()}

    def _question(self, key: str, raw: msgspec.Raw) -> jsonrpc.Request:
        try:
            members = params.parse_members(raw)
            method = params.text_of(members, "method")
            asked = None if "params" not in members else params.parse_members(members["params"])
            lack = lacking(method, members.get("params"), self._capabilities)
        except InvalidParamsError:
            raise self._odd(_UNREADABLE) from None
        if lack == method:
            # Nothing that a client could declare.
            raise self._odd(_UNREADABLE)
        if lack is not None:
            raise self._odd(f"it asks for {lack}, which this client has not declared")
        if asked is not None and bytes(asked.get("mode", b"")) == _BY_URL:
            # Former revisions have an id for the notification that it is through.
            asked.setdefault("elicitationId", params.raw_text(str(uuid4())))
        body = None if asked is None else msgspec.Raw(params.encode_members(asked))
        return jsonrpc.Request(bytes(params.raw_text(key)), method, body)

    def _odd(self, hint: str) -> BackendError:
        return BackendError(self._backend, Category.PROTOCOL, hint)


def _into(wait: "asyncio.Future[jsonrpc.Response]") -> Reply:
    """Takes the client's answer; progress of it has nowhere to go."""

    async def reply(message: bytes) -> None:
        answer = jsonrpc.parse_message(message)
        if isinstance(answer, jsonrpc.Response) and not wait.done():
            wait.set_result(answer)

    return reply


def without_rounds(members: Members) -> Members:
    """The params without what only a client that goes through rounds may say."""
    return {name: raw for name, raw in members.items() if name.casefold() not in _OF_ROUNDS}
