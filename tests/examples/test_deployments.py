"""The compose file and the systemd unit: what they start is a command line of ours, and tools find nothing in them."""

import configparser
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.render import Mode, Rendered, render
from vmcp_proxy.cli.serve.command import Options, build_plan, command

EXAMPLES = Path(__file__).parents[2] / "examples"
UNIT = EXAMPLES / "systemd" / "vmcp.service"
COMPOSE = EXAMPLES / "compose"

KEYS_OF_A_SERVICE = {
    *("image", "build", "entrypoint", "command", "ports", "volumes", "environment", "healthcheck", "restart"),
    *("stop_grace_period", "user", "read_only", "tmpfs", "cap_drop", "security_opt", "pids_limit", "mem_limit"),
}
"""Of the Compose specification; no program that checks it is at hand everywhere."""


def plan_of(arguments, manifests):
    """What `vmcp serve` would do with the arguments, the folder of manifests being elsewhere here."""
    arguments = [str(manifests) if each == "/etc/vmcp" else each for each in arguments]
    with command.make_context("serve", arguments) as context:
        return build_plan(Options(**context.params), {})


class Unit(configparser.RawConfigParser):
    """A unit file; of a setting that stands twice the last counts."""

    def optionxform(self, optionstr):
        return optionstr


def read_unit(text):
    unit = Unit(strict=False, comment_prefixes=("#",), delimiters=("=",))
    unit.read_string(text)
    return unit


def test_the_compose_file_serves_its_manifests_to_this_machine_alone():
    services = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]
    vmcp = services["vmcp"]
    assert set(vmcp) == KEYS_OF_A_SERVICE
    assert vmcp["entrypoint"] == ["/opt/vmcp/bin/vmcp", "serve"]
    plan = plan_of(vmcp["command"], COMPOSE / "config")
    (port,) = vmcp["ports"]
    assert port == f"127.0.0.1:{plan.settings.port}:{plan.settings.port}"
    assert vmcp["volumes"] == ["./config:/etc/vmcp:ro"]
    assert f"http://127.0.0.1:{plan.settings.admin_port}/readyz" in vmcp["healthcheck"]["test"][-1]
    assert (vmcp["build"]["context"], vmcp["build"]["dockerfile"]) == ("../..", "Dockerfile.proxy")
    assert (EXAMPLES.parent / vmcp["build"]["dockerfile"]).is_file()


def test_the_manifests_of_the_compose_file_are_served_whole_and_let_no_web_page_in():
    file = COMPOSE / "config" / "vmcp.yaml"
    loaded = load([Source(file.name, file.read_text())])
    assert str(loaded.problems) == ""
    ((namespace, name),) = loaded.virtual_servers()
    rendered = render(loaded.namespaces[namespace], name, mode=Mode.LOCAL)
    assert isinstance(rendered, Rendered)
    assert not rendered.warnings
    assert [backend.name for backend in rendered.config.backends] == ["example", "learn"]
    assert rendered.config.allowed_hosts == ("127.0.0.1", "localhost")


def test_the_unit_starts_what_the_command_takes_and_gives_calls_in_flight_their_time():
    service = read_unit(UNIT.read_text())["Service"]
    program, verb, *arguments = shlex.split(service["ExecStart"])
    assert (program, verb) == ("/usr/local/bin/vmcp", "serve")
    plan = plan_of(arguments, COMPOSE / "config")
    assert plan.settings.is_local
    drain = plan.source.load().loaded.config.config.operational.timeouts.drain
    assert int(service["TimeoutStopSec"].removesuffix("s")) > drain


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path):
    # It looks for the program, which is not installed here.
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/usr/local/bin/vmcp", sys.executable))
    found = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(unit)], capture_output=True, text=True, timeout=60, check=False
    )
    about_it = [line for line in found.stderr.splitlines() if UNIT.name in line]
    assert about_it == []
