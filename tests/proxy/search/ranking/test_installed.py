import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from subprocess import run
from threading import Barrier, BrokenBarrierError

import pytest

from tests.proxy.search.ranking.tools import text
from vmcp_proxy.search.ranking import installed
from vmcp_proxy.search.ranking.installed import InstalledAnalyzer
from vmcp_proxy.search.ranking.static_files import Unavailable


def test_the_table_is_loaded_once_when_it_is_first_needed_whoever_needs_it(monkeypatch):
    loaded = []
    together = Barrier(4)

    def load():
        loaded.append(1)
        # A second thread that loads too would come here; nobody does, so that this one waits in vain.
        with suppress(BrokenBarrierError):
            together.wait(0.05)
        return Unavailable("none here")

    monkeypatch.setattr(installed, "load_static_table", load)
    analyzer = InstalledAnalyzer()
    assert (loaded, analyzer.unavailable) == ([], None)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: analyzer.analyze(text("a")), range(4)))
    assert loaded == [1]
    assert analyzer.query("a").vector == b""


def test_with_the_extra_there_are_vectors():
    analyzer = InstalledAnalyzer()
    assert analyzer.analyze(text("send_mail")).vector
    assert analyzer.query("mail").vector
    assert analyzer.unavailable is None


@pytest.mark.scenario("T-7")
def test_without_the_extra_tools_are_found_by_words_and_the_reason_is_told(monkeypatch):
    monkeypatch.setattr(installed, "load_static_table", lambda: Unavailable("none here"))
    analyzer = InstalledAnalyzer()
    assert analyzer.analyze(text("send_mail")).counts
    assert analyzer.unavailable == Unavailable("none here")


def test_what_ranks_by_words_alone_needs_no_numpy():
    code = (
        "import sys; sys.modules['numpy'] = None\n"
        "from vmcp_proxy.search.ranking.installed import InstalledAnalyzer\n"
        "from vmcp_proxy.search.ranking.index import Index\n"
        "from vmcp_proxy.search.ranking.tool_text import ToolText\n"
        "from vmcp_proxy.search.embeddings.opening import open_embedder\n"
        "analyzer = InstalledAnalyzer()\n"
        "index = Index.build([analyzer.analyze(ToolText('send_mail', '', '', (), ''))])\n"
        "print(index.search(analyzer.query('mail'), 1)[0].position, analyzer.unavailable.reason)\n"
    )
    done = run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0 the extra is not installed; install vmcp-gateway[search]\n"
