"""The layer of tool search around a server that a test makes up."""

import json
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.proxy.core.builders import merged
from vmcp_api.spec.optimizer import Optimizer
from vmcp_proxy.auth.identity import Identity
from vmcp_proxy.core.catalog.capabilities import Capability, Descriptor, Listing
from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.outcomes import Reply, Result, Unknown
from vmcp_proxy.core.targets import find_target
from vmcp_proxy.core.virtual import Caller, Operation, Target, act
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.protocol.methods import Era
from vmcp_proxy.search.aside import Aside
from vmcp_proxy.search.finding.indexes import Indexes
from vmcp_proxy.search.finding.model_texts import ModelTexts
from vmcp_proxy.search.layer import ToolSearch
from vmcp_proxy.search.lists.shadowed import Shadowed
from vmcp_proxy.search.ranking.analysis import Analyzer
from vmcp_proxy.search.services import SearchServices

ALICE = Identity("https://issuer.example", "alice")
BOB = Identity("https://issuer.example", "bob")


def tools_of(backend: str, *tools: dict[str, Any]) -> Listing:
    """A backend's list of these descriptors."""
    raw = ({"inputSchema": {"type": "object"}, **each} for each in tools)
    return Listing(backend, tools=tuple(Descriptor(Kind.TOOL, each["name"], json.dumps(each).encode()) for each in raw))


def fillers(count: int) -> Listing:
    """A backend of many tools that are about nothing."""
    about = "Stands here for all that nobody looks for, and takes as much room as what others have to say of theirs."
    return tools_of("filler", *({"name": f"filler{number:04}", "description": about} for number in range(count)))


def catalog_of(*tools: dict[str, Any], backend: str = "shop", beside: int = 0) -> Catalog:
    """The catalog of one backend, and of another one with so many tools of no interest."""
    return merged(tools_of(backend, *tools), *([fillers(beside)] if beside else []))


class Counts:
    """What metrics hear."""

    def __init__(self) -> None:
        self.searches: list[str] = []
        self.ranks: list[str] = []

    def on_search(self, outcome: str) -> None:
        self.searches.append(str(outcome))

    def on_found_call(self, rank: str) -> None:
        self.ranks.append(rank)


class Exchange:
    """What a request hears while it is served."""

    def __init__(self) -> None:
        self.tools: list[str] = []
        self.is_composite = False

    def called(self, tool: str) -> None:
        self.tools.append(tool)

    def composed(self) -> None:
        self.is_composite = True


@dataclass
class Server:
    """Answers whatever its catalog holds, by what `answers` says of it; each caller may have a catalog of its own."""

    catalog: Catalog
    answers: dict[str, Reply] = field(default_factory=dict)
    own: dict[Identity, Catalog] = field(default_factory=dict)
    reached: list[Operation] = field(default_factory=list)
    listed: int = 0
    viewed: int = 0
    refusal: Any = None
    unfound: Any = Unknown

    def of(self, caller: Caller) -> Catalog:
        return self.own.get(caller.identity, self.catalog)

    async def view(self, caller: Caller) -> Catalog:
        self.viewed += 1
        return self.of(caller)

    async def list(self, caller: Caller, kind: Kind) -> Any:
        self.listed += 1
        return self.of(caller) if self.refusal is None else self.refusal

    async def resolve(self, caller: Caller, operation: Operation) -> Any:
        found = find_target(self.of(caller), operation)
        return None if found is None else Target(found, None, 0.0)

    async def perform(self, caller: Caller, operation: Operation, resolved: Any, exchange: Exchange) -> Reply:
        self.reached.append(operation)
        if not isinstance(resolved, Target):
            return Unknown(Kind.TOOL, operation.name) if self.unfound is Unknown else self.unfound
        return self.answers.get(operation.name, Result(b'{"content":[]}', resolved.capability.backend))


class World:
    """One layer; `shared` is what the proxy itself sees."""

    def __init__(
        self, server: Server, limits: Any = None, analyzer: Any = None, embedder: Any = None, **settings: Any
    ) -> None:
        self.server = server
        self.counts = Counts()
        self.client = SimpleNamespace(last_found=(), terms=SimpleNamespace(era=Era.LEGACY))
        analyzer = analyzer or Analyzer()
        aside = Aside()
        self.services = SearchServices(
            aside, analyzer, Indexes(analyzer, aside), ModelTexts(aside), Shadowed(), self.counts, embedder
        )
        optimizer = Optimizer.model_validate({"threshold": 3, **settings}, by_alias=True, by_name=False)
        self.layer = ToolSearch(server, limits, lambda: server.catalog, optimizer, self.services)
        self.exchange = Exchange()

    def caller(self, identity: Identity = ALICE) -> Caller:
        return Caller(identity, self.client)

    async def names(self, identity: Identity = ALICE) -> list[str]:
        listed = await self.layer.list(self.caller(identity), Kind.TOOL)
        assert (await self.layer.view(self.caller(identity))).version == listed.version
        return [tool.exposed for tool in listed.tools]

    async def call(self, name: str, arguments: Any = None, identity: Identity = ALICE, **more: Any) -> Reply:
        members = {"name": name, **({} if arguments is None else {"arguments": arguments}), **more}
        return await self.send(json.dumps(members).encode(), identity)

    async def send(self, params: bytes, identity: Identity = ALICE) -> Reply:
        operation = Operation("tools/call", Kind.TOOL, json.loads(params)["name"], params=params)
        self.exchange = Exchange()
        looked = await self.layer.resolve(self.caller(identity), operation)
        return await act(self.layer, self.caller(identity), operation, looked, self.exchange)

    async def find(self, query: str, identity: Identity = ALICE, **more: Any) -> dict[str, Any]:
        """What a search answers; the same as text and structured."""
        result = json.loads((await self.call("find_tool", {"query": query, **more}, identity)).raw)
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        return result["structuredContent"]

    async def found(self, query: str, identity: Identity = ALICE, **more: Any) -> list[str]:
        return [each["name"] for each in (await self.find(query, identity, **more))["tools"]]


def sent(operation: Operation) -> dict[str, Any]:
    """The params of a call as a backend would get them."""
    return {name: json.loads(bytes(raw)) for name, raw in operation.members.items()}


def own(*tools: Capability) -> Catalog:
    return Catalog(tools=tuple(sorted(tools, key=lambda tool: tool.exposed)))
