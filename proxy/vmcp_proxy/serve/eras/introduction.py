"""What the endpoint says of itself to a caller, whichever way it is asked."""

from collections.abc import Collection
from dataclasses import dataclass

from vmcp_proxy.core.catalog.catalog import Catalog
from vmcp_proxy.core.members.own_links import OwnLinks
from vmcp_proxy.core.outcomes import Limited, Unchecked
from vmcp_proxy.core.stack import LiveCore
from vmcp_proxy.core.virtual import Caller
from vmcp_proxy.protocol.extensions import Settings, join_extensions
from vmcp_proxy.protocol.initialize import LISTS
from vmcp_proxy.protocol.instructions import join_instructions
from vmcp_proxy.protocol.kinds import Kind
from vmcp_proxy.serve.eras.settings import LiveSettings, ServerInfo


@dataclass(frozen=True, slots=True)
class Introduced:
    """`offers` are the capabilities that backends answer for, `lists` the kinds that are offered whoever has some."""

    info: ServerInfo
    offers: frozenset[str]
    extensions: Settings
    instructions: str
    lists: Collection[str] = LISTS


class Introduction:
    """Made of what the backends within a caller's reach say of themselves, and of the config."""

    def __init__(self, core: LiveCore, links: OwnLinks, settings: LiveSettings) -> None:
        self._core = core
        self._links = links
        self._settings = settings

    async def to(self, caller: Caller) -> Introduced | Limited | Unchecked:
        """What the caller hears, or what refuses it: backends would have to be asked, and there is no token left."""
        refused = await self._core.charge_view(caller)
        if refused is not None:
            return refused
        catalog = await self._core.view(caller)
        return self._mirrored() or self._own(catalog)

    async def offers(self, caller: Caller) -> frozenset[str]:
        """The capabilities that backends within the caller's reach answer for."""
        return self._links.offers((await self._core.view(caller)).outcomes)

    @property
    def info(self) -> ServerInfo:
        """How the endpoint names itself now."""
        settings = self._settings.current
        mirrored = None if settings.mirrored is None else self._mirrored()
        return settings.info if mirrored is None else mirrored.info

    def _own(self, catalog: Catalog) -> Introduced:
        settings = self._settings.current
        hellos = sorted(self._links.hellos(catalog.outcomes).items())
        return Introduced(
            settings.info,
            self._links.offers(catalog.outcomes),
            join_extensions(hello.extensions for _, hello in hellos),
            self._instructions_for(catalog) if settings.instructions is None else settings.instructions,
        )

    def _mirrored(self) -> Introduced | None:
        """What the mirrored backend says of itself; None where there is none, or it has not been heard yet."""
        name = self._settings.current.mirrored
        said = None if name is None else self._links.hellos((name,)).get(name)
        if said is None:
            return None
        info = ServerInfo(said.name, said.software)
        return Introduced(info, said.offers, said.extensions, said.instructions or "", said.offers)

    def _instructions_for(self, catalog: Catalog) -> str:
        """What the backends say of which the caller sees anything."""
        seen = {capability.backend for kind in Kind for capability in catalog.of(kind)}
        seen |= catalog.searched
        return join_instructions({name: hello.instructions or "" for name, hello in self._links.hellos(seen).items()})
