"""What a person gets who installs the wheel: by which name, what runs, and what is said where an extra is missing."""

import email
import sys
import zipfile
from functools import cache

import pytest

from tests.packaging.installed import BIN, build_wheel, install, must, run, write_constraints
from vmcp_proxy.run.settings import SOFTWARE_VERSION

pytestmark = [pytest.mark.scenario("D-7"), pytest.mark.timeout(300)]
VERSION = f"vmcp {SOFTWARE_VERSION}\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def installed_with(wheel, tmp_path_factory):
    """An installation with some extras, made once for all tests that only run what is in it."""
    return cache(lambda extras: install(wheel, extras, tmp_path_factory.mktemp("installed") / "env"))


def test_the_wheel_says_what_it_is_and_that_its_packages_are_typed(wheel):
    with zipfile.ZipFile(wheel) as files:
        names = set(files.namelist())
        (described,) = [name for name in names if name.endswith(".dist-info/METADATA")]
        metadata = email.message_from_bytes(files.read(described))
    assert {f"{package}/py.typed" for package in ("vmcp_api", "vmcp_operator", "vmcp_proxy")} <= names
    assert (metadata["Name"], metadata["Version"]) == ("vmcp-gateway", SOFTWARE_VERSION)
    assert metadata["Author"]
    assert metadata.get_all("Project-URL")
    assert not [needed for needed in metadata.get_all("Requires-Dist") if needed.startswith("vmcp")]


@pytest.mark.parametrize("extras", ["", "[operator]"])
def test_without_an_extra_every_way_to_the_command_says_what_to_install(installed_with, extras):
    installed = installed_with(extras)
    for done in (
        installed.vmcp(),
        installed.vmcp("--help"),
        installed.vmcp("serve", "--mcp-config", "x.json"),
        installed.vmcp("tools"),
        installed.module("vmcp_proxy", "validate", "."),
    ):
        assert (done.code, done.out) == (2, "")
        assert done.err.startswith("vmcp: this installation lacks the package '")
        assert "; in a clone of the repository type: uv tool install '.[cli]', or pip install '.[cli]'" in done.err
        assert done.err.count("\n") == 1
    assert installed.vmcp("--version").out == VERSION
    assert installed.module("vmcp_proxy", "--version").out == VERSION
    assert installed.module("vmcp_api").err.startswith("usage: ")


@pytest.mark.parametrize("extras", ["", "[proxy]"])
def test_the_operator_says_what_to_install_where_its_extra_is_missing(installed_with, extras):
    done = installed_with(extras).module("vmcp_operator")
    assert done.code == 2
    assert done.err.startswith("vmcp-operator: this installation lacks the package '")
    assert "uv tool install '.[operator]'" in done.err
    assert done.err.count("\n") == 1


def test_the_proxy_alone_serves_and_names_what_the_client_commands_need(installed_with):
    installed = installed_with("[proxy]")
    assert installed.vmcp("--version").out == VERSION
    assert installed.vmcp("serve", "--help").code == 0
    for command in ("tools", "call"):
        done = installed.vmcp(command, "x")
        assert done.code == 2
        assert done.err.startswith("vmcp: this installation lacks the package '")
        assert "'.[cli]'" in done.err


def use(command, home):
    """What somebody tries first."""
    assert must(command, "--version") == VERSION
    manifest = home / "vmcp.yaml"
    must(command, "init", manifest)
    assert must(command, "validate", manifest).splitlines()[-1].startswith("ok: ")
    assert run(command, "tools", "http://127.0.0.1:1/mcp").code == 4


def test_uv_installs_the_command_as_a_tool(wheel, tmp_path):
    places = {f"UV_TOOL_{name}": str(tmp_path / name.lower()) for name in ("DIR", "BIN_DIR")}
    constraints = write_constraints(tmp_path / "constraints.txt")
    chosen = ("--python", sys.executable, "--constraints", constraints)
    must(BIN / "uv", "tool", "install", *chosen, f"{wheel}[cli]", **places)
    assert "vmcp-gateway v" in must(BIN / "uv", "tool", "list", **places)
    use(tmp_path / "bin_dir" / "vmcp", tmp_path)


def test_pipx_installs_the_command(wheel, tmp_path):
    places = {f"PIPX_{name}": str(tmp_path / name.lower()) for name in ("HOME", "BIN_DIR", "MAN_DIR")}
    pinned = {"UV_CONSTRAINT": str(write_constraints(tmp_path / "constraints.txt"))}
    must(BIN / "pipx", "install", "--backend", "uv", "--python", sys.executable, f"{wheel}[cli]", **places, **pinned)
    assert "vmcp-gateway" in must(BIN / "pipx", "list", "--short", **places)
    # The packages are those that uv has installed above.
    assert must(tmp_path / "bin_dir" / "vmcp", "--version") == VERSION
