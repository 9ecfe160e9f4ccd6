"""The analyzer with the vectors that are installed, if any."""

import threading
from collections.abc import Iterable

from vmcp_proxy.search.ranking.analysis import Analyzer, Document, Query
from vmcp_proxy.search.ranking.static_files import Unavailable, load_static_table
from vmcp_proxy.search.ranking.tool_text import ToolText


class InstalledAnalyzer:
    """An `Analyzer` that loads the static table when it is first used, which takes 0.3 s: not on the event loop."""

    def __init__(self) -> None:
        self._analyzer: Analyzer | None = None
        self._unavailable: Unavailable | None = None
        self._lock = threading.Lock()

    @property
    def unavailable(self) -> Unavailable | None:
        """Why there are no vectors; None where there are, and before the first use."""
        return self._unavailable

    def analyze(self, text: ToolText) -> Document:
        """As `Analyzer`."""
        return self._loaded().analyze(text)

    def query(self, text: str, keywords: Iterable[str] = ()) -> Query:
        """As `Analyzer`."""
        return self._loaded().query(text, keywords)

    def _loaded(self) -> Analyzer:
        analyzer = self._analyzer
        if analyzer is not None:
            return analyzer
        with self._lock:
            if self._analyzer is None:
                table = load_static_table()
                self._unavailable = table if isinstance(table, Unavailable) else None
                self._analyzer = Analyzer(None if isinstance(table, Unavailable) else table)
            return self._analyzer
