"""The examples: each validates and renders in both modes."""

from pathlib import Path

import pytest

from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import Loaded, load
from vmcp_api.render import Mode, Rendered, render

EXAMPLES = Path(__file__).parents[2] / "examples"


def read(name: str) -> Loaded:
    return load([Source(name, (EXAMPLES / name).read_text(encoding="utf-8"))])


@pytest.mark.scenario("D-4")
@pytest.mark.parametrize("mode", Mode)
@pytest.mark.parametrize("name", sorted(path.name for path in EXAMPLES.glob("*.yaml")))
def test_an_example_validates_and_renders(name, mode):
    loaded = read(name)
    assert str(loaded.problems) == ""
    for namespace, vmcp in loaded.virtual_servers():
        assert isinstance(render(loaded.namespaces[namespace], vmcp, mode=mode), Rendered)


@pytest.mark.scenario("D-4")
def test_the_examples_of_a_cluster_validate_and_render_without_a_warning_but_about_session_ids():
    names = sorted(path.relative_to(EXAMPLES).as_posix() for path in (EXAMPLES / "kubernetes").glob("*.yaml"))
    assert "kubernetes/quickstart.yaml" in names
    loaded = load([Source(name, (EXAMPLES / name).read_text(encoding="utf-8")) for name in names])
    assert str(loaded.problems.errors) == ""
    warned = set()
    for namespace, vmcp in loaded.virtual_servers():
        result = render(loaded.namespaces[namespace], vmcp, mode=Mode.CLUSTER)
        assert isinstance(result, Rendered)
        assert not result.config.withheld
        warned |= {(vmcp, ".".join(map(str, warning.loc))) for warning in result.warnings}
    assert warned == {("replicas", "spec.passthroughHeaders")}


@pytest.mark.scenario("D-2")
def test_the_quickstart_serves_every_member_on_one_machine():
    resources = read("quickstart.yaml").namespaces["default"]
    result = render(resources, "quickstart", mode=Mode.LOCAL)
    assert isinstance(result, Rendered)
    assert [backend.name for backend in result.config.backends] == ["learn", "time", "tokyo"]
    assert not result.warnings


def test_the_headers_example_keeps_its_secret_out_of_the_config():
    resources = read("headers.yaml").namespaces["default"]
    result = render(resources, "headers", mode=Mode.LOCAL)
    assert isinstance(result, Rendered)
    assert result.secrets["billing", "api-key"].reveal() == b"replace-me"
    assert "replace-me" not in repr(result)


def test_a_warning_of_rendering_gets_its_file_and_line():
    loaded = read("headers.yaml")
    result = render(loaded.namespaces["default"], "headers", mode=Mode.LOCAL)
    assert isinstance(result, Rendered)
    (warning,) = loaded.place(result.warnings, "default")
    assert str(warning).startswith("headers.yaml:12: warning: VirtualMCPServer/headers: spec.passthroughHeaders: ")
