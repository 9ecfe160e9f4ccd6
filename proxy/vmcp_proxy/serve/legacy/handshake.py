"""The `initialize` request: a session is made before the answer is given."""

from typing import Final

from vmcp_proxy.clients.registry import SessionClients
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.core.outcomes import Limited, Unchecked
from vmcp_proxy.core.stack import LiveCore
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.headerforward import EMPTY_SNAPSHOT
from vmcp_proxy.observability.audit import Outcome
from vmcp_proxy.protocol.extensions import join_extensions
from vmcp_proxy.protocol.initialize import ClientHello, encode_server_hello, parse_client_hello
from vmcp_proxy.protocol.instructions import join_instructions
from vmcp_proxy.protocol.jsonrpc import Request, encode_result
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.params import InvalidParamsError
from vmcp_proxy.serve import rejections
from vmcp_proxy.serve.context import RequestContext
from vmcp_proxy.serve.legacy.answers import invalid_params, own_answer
from vmcp_proxy.serve.legacy.settings import LiveSettings
from vmcp_proxy.sessions import RefusalReason, Refused, SessionManager

_NAME: Final = "dispatch"

_REFUSALS: Final = {
    RefusalReason.CAPPED: rejections.FULL,
    RefusalReason.IDENTITY_CAPPED: rejections.CALLER_FULL,
    RefusalReason.UNAVAILABLE: rejections.STORE_AWAY,
}


class Handshake:
    """Makes sessions."""

    def __init__(
        self,
        sessions: SessionManager,
        clients: SessionClients,
        core: LiveCore,
        links: OwnLinks,
        settings: LiveSettings,
    ) -> None:
        self._sessions = sessions
        self._clients = clients
        self._core = core
        self._links = links
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
            catalog = await self._view(caller)
        except BaseException:
            await self._sessions.end(made.session_id, identity)
            raise
        if not isinstance(catalog, Catalog):
            await self._sessions.end(made.session_id, identity)
            await _refuse(context, message, catalog)
            return
        result = self._mirror(hello) or self._result(hello, catalog)
        headers = ((b"mcp-session-id", made.session_id.encode()),)
        await context.respond(200, encode_result(message.id, result), headers=headers)

    def _result(self, hello: ClientHello, catalog: Catalog) -> bytes:
        settings = self._settings.current
        return encode_server_hello(
            version=hello.version,
            name=settings.info.name,
            server_version=settings.info.version,
            offers=self._links.offers(catalog.outcomes),
            carried=join_extensions(
                hello.extensions for _, hello in sorted(self._links.hellos(catalog.outcomes).items())
            ),
            instructions=self._instructions_for(catalog) if settings.instructions is None else settings.instructions,
        )

    def _mirror(self, hello: ClientHello) -> bytes | None:
        """What the mirrored backend says of itself; None where there is none, or it has not been heard yet."""
        name = self._settings.current.mirrored
        said = None if name is None else self._links.hellos((name,)).get(name)
        if said is None:
            return None
        return encode_server_hello(
            version=hello.version,
            name=said.name,
            server_version=said.software,
            offers=said.offers,
            carried=said.extensions,
            instructions=said.instructions or "",
            lists=said.offers,
        )

    async def _view(self, caller: Caller) -> Catalog | Limited | Unchecked:
        """What the caller sees, or what refuses it: backends would have to be asked, and there is no token left."""
        refused = await self._core.charge_view(caller)
        return await self._core.view(caller) if refused is None else refused

    def _instructions_for(self, catalog: Catalog) -> str:
        """What the backends say of which the caller sees anything."""
        seen = {capability.backend for kind in Kind for capability in catalog.of(kind)}
        return join_instructions({name: hello.instructions or "" for name, hello in self._links.hellos(seen).items()})


async def _refuse(context: RequestContext, message: Request, refused: Limited | Unchecked) -> None:
    answer = own_answer(message, refused)
    context.outcome, context.rejected_by = answer.outcome, answer.rejected_by
    await context.respond(200, answer.body, headers=answer.headers)
