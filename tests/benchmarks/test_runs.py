"""Several runs as one table."""

import json

import pytest

from benchmarks import runs
from benchmarks.figures import Metric, Result, Row, document


def result(plain, peer):
    rows = (
        Row("echo", "direct to the backend", {"rate": (1.0,)}),
        Row("echo", "bare", {"cpu": (50.0, 60.0, 70.0), "ratio": (1.0, 1.0, 1.0)}),
        Row("echo", "vmcp", {"cpu": plain, "ratio": tuple(each / 60 for each in plain)}),
        *([Row("echo", runs.PEERS[0], {"cpu": peer, "ratio": (4.0,)})] if peer else []),
    )
    return Result("echo", "Small calls", "little", (Metric("cpu", "CPU"),), rows)


@pytest.fixture
def files(tmp_path):
    found = [result((90.0, 120.0, 150.0), (240.0, 240.0, 240.0)), result((60.0,), (300.0,)), result((180.0,), ())]
    for number, each in enumerate(found):
        (tmp_path / f"{number}.json").write_text(json.dumps(document([each], {})))
    return sorted(map(str, tmp_path.iterdir()))


def test_what_is_quoted_is_the_median_of_the_runs_with_its_spread(files, monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["runs", *files])
    runs.main()
    said = capsys.readouterr().out
    assert "Small calls, 3 runs" in said
    assert "| echo | vmcp | 120 (60 to 180) | 2.00 (1.00 to 3.00) | 0.35 (0.20 to 0.50) | - |" in said
    assert "direct" not in said
