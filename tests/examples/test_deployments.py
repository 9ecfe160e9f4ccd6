"""The compose file and the systemd unit: what they start is a command line of ours, and tools find nothing in them."""

import configparser
import re
import shlex
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

YES_OR_NO = "yes|no"
TIME = r"\d+(ms|s|min|h)"
NAMES = r"[a-z][a-z0-9.-]*( [a-z][a-z0-9.-]*)*"
ABSOLUTE = r"(/[\w.-]+)+"
SETTINGS_OF_A_UNIT = {
    "Unit": {"Description": ".+", **dict.fromkeys(("Wants", "After"), r"[\w@-]+\.(target|service)")},
    "Service": {
        "ExecStart": rf"{ABSOLUTE}( \S+)*",
        "EnvironmentFile": f"-?{ABSOLUTE}",
        "Environment": r"[A-Z_]+=\S*",
        "WorkingDirectory": ABSOLUTE,
        **dict.fromkeys(("StateDirectory", "ConfigurationDirectory"), NAMES),
        "Restart": "no|always|on-(success|failure|abnormal|abort|watchdog)",
        **dict.fromkeys(("RestartSec", "TimeoutStopSec"), TIME),
        "RestartPreventExitStatus": r"\d+( \d+)*",
        "KillMode": "control-group|mixed|process|none",
        "UMask": "[0-7]{4}",
        "CapabilityBoundingSet": "|CAP_[A-Z_]+( CAP_[A-Z_]+)*",
        "ProtectSystem": f"{YES_OR_NO}|full|strict",
        "ProtectHome": f"{YES_OR_NO}|read-only|tmpfs",
        "ProtectProc": "noaccess|invisible|ptraceable|default",
        **dict.fromkeys(
            (
                *("DynamicUser", "NoNewPrivileges", "ProtectClock", "ProtectControlGroups", "ProtectHostname"),
                *("ProtectKernelLogs", "ProtectKernelModules", "ProtectKernelTunables", "PrivateDevices"),
                *("PrivateTmp", "LockPersonality", "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID"),
                "RemoveIPC",
            ),
            YES_OR_NO,
        ),
        "RestrictAddressFamilies": "AF_(INET6?|UNIX|NETLINK)( AF_(INET6?|UNIX|NETLINK))*",
        "SystemCallArchitectures": "native",
        "SystemCallFilter": "@system-service",
        "SystemCallErrorNumber": "EPERM|EACCES|ENOSYS",
        "TasksMax": r"\d+|infinity",
        "MemoryMax": r"\d+[KMGT]?|infinity",
    },
    "Install": {"WantedBy": r"[\w@-]+\.target"},
}
"""Of systemd.directives(7), as far as the unit uses them; `systemd-analyze verify` is not at hand everywhere."""


def misunderstood(text):
    """The lines that systemd would pass over with a warning, or for which it would not start the service."""
    section, sections = "", []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        if line.startswith("["):
            section = line.strip("[]")
            sections.append(section)
            continue
        name, equals, value = line.partition("=")
        pattern = SETTINGS_OF_A_UNIT.get(section, {}).get(name)
        if not equals or pattern is None or re.fullmatch(pattern, value, re.ASCII) is None:
            yield f"[{section}] {line}"
    if sections != list(SETTINGS_OF_A_UNIT):
        yield f"sections: {sections}"


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


def test_the_unit_says_only_what_systemd_knows():
    assert list(misunderstood(UNIT.read_text())) == []


@pytest.mark.parametrize(
    ("stands", "instead"),
    [
        ("DynamicUser=yes", "DynamicUsers=yes"),
        ("DynamicUser=yes", "DynamicUser=perhaps"),
        ("RestartSec=2s", "RestartSec=2 moments"),
        ("RestartSec=2s", "RestartSec=2s # a comment is a line of its own"),
        ("KillMode=mixed", "KillMode=both"),
        ("ProtectSystem=strict", "ProtectSystem=stricter"),
        ("SystemCallFilter=@system-service", "SystemCallFilter=@system-services"),
        ("RestartPreventExitStatus=2 3 5", "RestartPreventExitStatus=2, 3, 5"),
        ("RestrictAddressFamilies=AF_INET ", "RestrictAddressFamilies=AF_INET4 "),
        ("UMask=0077", "UMask=0o77"),
        ("MemoryMax=1G", "MemoryMax=1GiB"),
        ("ExecStart=/usr/local/bin/vmcp", "ExecStart=~/bin/vmcp"),
        ("EnvironmentFile=-/etc", "EnvironmentFile=etc"),
        ("StateDirectory=vmcp", "StateDirectory=/var/lib/vmcp"),
        ("KillMode=mixed", "KillMode"),
        ("[Install]", "[Installation]"),
        ("[Service]", ""),
    ],
)
def test_a_line_that_systemd_would_pass_over_is_found_in_the_unit(stands, instead):
    text = UNIT.read_text()
    assert stands in text
    assert list(misunderstood(text.replace(stands, instead)))
