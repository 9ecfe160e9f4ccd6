"""The `initialize` request: a session is made before the answer is given."""

from typing import Final

from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.core.outcomes import Limited, Unchecked
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.protocol.initialize import encode_server_hello, parse_client_hello
from vmcp_proxy.protocol.jsonrpc import Request, encode_result
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.serve import rejections
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.eras.introduction import Introduced, Introduction
from vmcp_proxy.serve.eras.own_answers import own_answer
from vmcp_proxy.serve.eras.settings import LiveSettings
from vmcp_proxy.serve.legacy.answers import encode_content, invalid_params
from vmcp_proxy.sessions import RefusalReason, Refused, SessionManager

_NAME: Final = "dispatch"

_REFUSALS: Final = {
    RefusalReason.CAPPED: rejections.FULL,
    RefusalReason.IDENTITY_CAPPED: rejections.CALLER_FULL,
    RefusalReason.UNAVAILABLE: rejections.STORE_AWAY,
    RefusalReason.CLOSED: rejections.SHUTTING_DOWN,
}


class Handshake:
    """Makes sessions."""

    def __init__(
        self,
        sessions: SessionManager,
        clients: SessionClients,
        introduction: Introduction,
        settings: LiveSettings,
    ) -> None:
        self._sessions = sessions
        self._clients = clients
        self._introduction = introduction
        self._settings = settings

    async def serve(self, context: RequestContext, message: Request) -> None:
        """Answers `initialize` with a session id; nothing is left behind where it fails."""
        identity = context.identity
        if identity is None:
            return
        try:
            hello = parse_client_hello(message.params)
        except InvalidParamsError as error:
            context.outcome = Outcome.FAILURE
            await context.respond(200, invalid_params(message.id, str(error)))
            return
        settings = self._settings.current
        made = await self._sessions.create(
            identity,
            protocol_version=hello.version,
            client_capabilities=hello.capabilities,
            client_info=hello.client_info,
            snapshot=EMPTY_SNAPSHOT if settings.takes_request_headers else context.captured(),
        )
        if isinstance(made, Refused):
            context.outcome = Outcome.ERROR
            await context.reject(_NAME, _REFUSALS[made.reason])
            return
        session = made.session
        context.session_ref = session.ref
        caller = Caller(identity, self._clients.of(session), context.captured())
        try:
            said = await self._introduction.to(caller)
        except BaseException:
            await self._sessions.end(made.session_id, identity)
            raise
        if not isinstance(said, Introduced):
            await self._sessions.end(made.session_id, identity)
            await _refuse(context, message, said)
            return
        result = encode_server_hello(
            version=hello.version,
            name=said.info.name,
            server_version=said.info.version,
            offers=said.offers,
            carried=said.extensions,
            instructions=said.instructions,
            lists=said.lists,
        )
        headers = ((b"mcp-session-id", made.session_id.encode()),)
        await context.respond(200, encode_result(message.id, result), headers=headers)


async def _refuse(context: RequestContext, message: Request, refused: Limited | Unchecked) -> None:
    answer = own_answer(message, refused)
    answer.note(context)
    await context.respond(200, encode_content(message.id, answer.content), headers=answer.headers)
