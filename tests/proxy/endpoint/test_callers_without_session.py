"""The core serves whoever comes with a `ClientContext`: a session is one way to have one."""

import asyncio
from dataclasses import dataclass, field

import msgspec

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend, tool
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.backends.interface import OWN_TERMS
from vmcp_proxy.backends.link import Link
from vmcp_proxy.core.client import BuiltView
from vmcp_proxy.core.outcomes import Result
from vmcp_proxy.core.virtual import Caller, Operation, call
from vmcp_proxy.protocol.kinds import Kind


async def remember_nothing(link, session):
    """There is no store for it."""


@dataclass
class Stateless:
    """A client with nothing but its links: whatever is for its stream is lost."""

    view: BuiltView | None = None
    subscriptions: dict[str, set[str]] = field(default_factory=dict)
    links: dict[str, Link] = field(default_factory=dict)
    changed: list[str] = field(default_factory=list)
    said: list[bytes] = field(default_factory=list)
    identity = Identity("", "anyone")
    terms = OWN_TERMS
    audience = ""
    log_level = None
    server_requests = ()

    def credentials_for(self, member, identity, snapshot):
        return member.credentials_for(identity, snapshot)

    def link(self, member):
        return self.links.setdefault(member.name, Link(member.backend, self.terms, remember_nothing))

    def uri_of(self, backend):
        return lambda uri: uri

    def handed_out_by(self, uri):
        return None

    def note_handed_out(self, uris, backend):
        """Nothing is remembered."""

    def hears(self, method):
        return True

    def lists_changed(self, backend):
        self.changed.append(backend)

    async def withdrawn(self, member, raw):
        """Nothing was asked."""


@dataclass
class Exchange:
    sent: list[bytes] = field(default_factory=list)
    backend: str = ""
    takes_messages = True

    def decided(self, record):
        pass

    def routed(self, backend, credentials):
        self.backend = backend

    async def send(self, message, on_drop=None):
        self.sent.append(message)


async def test_a_caller_without_a_session_lists_and_calls_and_no_session_is_made_for_it():
    backend = ScriptedBackend(tools=[tool("echo")])
    begun = asyncio.Event()

    @backend.on("tools/call")
    async def answer(called):
        await called.notify("notifications/message", level="info", data="under way")
        begun.set()
        return {"content": [{"type": "text", "text": "done"}]}

    async with scene({"one": backend}, config=QUIET) as world:
        client, exchange = Stateless(), Exchange()
        caller = Caller(Identity("", "anyone"), client)
        catalog = await world.inside.core.view(caller)
        assert [each.exposed for each in catalog.tools] == ["one_echo"]
        params = msgspec.Raw(b'{"name":"one_echo","arguments":{}}')
        reply = await call(world.inside.core, caller, Operation("tools/call", Kind.TOOL, "one_echo", params), exchange)
        assert isinstance(reply, Result)
        assert b"done" in bytes(reply.raw)
        assert begun.is_set()
        assert exchange.backend == "one"
        assert b"under way" in exchange.sent[0]
        assert (world.inside.sessions, world.inside.clients) == (0, ())
        for member, link in client.links.items():
            await link.close(world.inside.members[member].own_credentials)
