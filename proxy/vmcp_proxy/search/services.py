"""What tool search stands on for the life of the process, whatever the config."""

from dataclasses import dataclass

from vmcp_proxy.search.indexes import Indexes
from vmcp_proxy.search.observer import SearchObserver
from vmcp_proxy.search.ranking.analysis import Analyzer
from vmcp_proxy.search.shadowed import Shadowed


@dataclass(frozen=True, slots=True)
class SearchServices:
    """Documents and queries are read by the one `analyzer`: what is kept of it stays good over reloads."""

    analyzer: Analyzer
    indexes: Indexes
    shadowed: Shadowed
    observer: SearchObserver
