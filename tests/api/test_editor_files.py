"""The server files of many editors: what is served of each, what is withheld, and what is said."""

import pytest

from tests.api.editor_files import FILES, Server
from vmcp_api.editor.servers import parse_mcp_servers
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.render import Rendered

NOWHERE = Problems.of(Problem("cannot be read: No such file", "correct the path"))


def as_served(result, backend):
    """A backend of a config with what its references stand for."""
    refs = [(each.header_name, each.value_secret_ref) for each in backend.header_forward.add_headers_from_secret]
    return Server(
        backend.transport.value,
        backend.url or backend.command,
        {name: result.secrets[ref.name, ref.key].reveal().decode() for name, ref in backend.env_from_secret.items()},
        {name: result.secrets[ref.name, ref.key].reveal().decode() for name, ref in refs},
        result.config.config.operational.timeouts.per_workload.get(backend.name),
        backend.cwd,
    )


@pytest.mark.scenario("D-7")
@pytest.mark.parametrize("row", FILES, ids=lambda row: row.name)
def test_a_file_means_here_what_it_means_to_its_editor(row):
    result = parse_mcp_servers(row.text, file="f", environment=row.environment, read_text=lambda _path: NOWHERE)
    assert isinstance(result, Rendered), str(result)
    assert {backend.name: as_served(result, backend) for backend in result.config.backends} == row.servers
    assert tuple(each.name for each in result.config.withheld) == row.withheld
    said = [str(problem) for problem in result.warnings]
    assert len(said) == len(row.warned), said
    for line, part in zip(said, row.warned, strict=True):
        assert part in line


def test_no_bound_of_a_call_is_above_the_bound_of_any_request():
    (row,) = [row for row in FILES if row.name == "bounds of calls"]
    result = parse_mcp_servers(row.text, file="f", environment={}, read_text=lambda _path: NOWHERE)
    timeouts = result.config.config.operational.timeouts
    assert max(timeouts.per_workload.values()) <= timeouts.maximum
