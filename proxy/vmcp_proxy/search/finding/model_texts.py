"""What a model elsewhere reads of the tools of a catalog: kept where there is such a model, and nowhere else."""

from collections.abc import Sequence
from typing import Final

import msgspec

from vmcp_proxy.core.catalog.capabilities import Capability
from vmcp_proxy.search.aside import Aside
from vmcp_proxy.search.embeddings.passages import Passage, write_passage
from vmcp_proxy.search.finding.bounded import Bounded
from vmcp_proxy.search.ranking.tool_text import read_tool_text

MOST_CHARACTERS: Final = 16 << 20
"""Characters of the passages that are kept, of which some are of several catalogs."""


class Passages(msgspec.Struct, frozen=True, gc=False):
    """Those of the tools of one catalog, in their order."""

    each: tuple[Passage, ...]

    @property
    def weight(self) -> int:
        """How many characters they have."""
        return sum(len(passage.text) for passage in self.each)


class ModelTexts:
    """Passages by the version of the catalog that they are of."""

    def __init__(self, aside: Aside, most: int = MOST_CHARACTERS) -> None:
        self._aside: Final = aside
        self._kept: Final = Bounded[str, Passages](most)

    @property
    def weight(self) -> int:
        """How many characters are kept."""
        return self._kept.weight

    async def of(self, version: str, tools: Sequence[Capability]) -> tuple[Passage, ...]:
        """The passages of these tools; `version` stands for them and their order."""
        kept = self._kept.find(version)
        if kept is None:
            kept = await self._aside.run(_read, tools)
            self._kept.keep(version, kept)
        return kept.each


def _read(tools: Sequence[Capability]) -> Passages:
    return Passages(tuple(write_passage(read_tool_text(tool.raw, tool.backend)) for tool in tools))
