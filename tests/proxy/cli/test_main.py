"""The command as a whole: help, exit codes, what is loaded for it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.proxy.cli.commands import SECONDS, call_vmcp, run_vmcp
from vmcp_proxy.cli import main as main_module
from vmcp_proxy.cli.exits import MEANINGS, Exit

REFERENCE = Path(__file__).parents[3] / "docs" / "reference" / "cli.md"
HEAVY = ("fastapi", "mcp", "rich", "redis", "uvicorn", "httpx2", "pydantic")


COMPLETING = {"_VMCP_COMPLETE": "bash_complete", "COMP_WORDS": "vmcp ", "COMP_CWORD": "1"}


@pytest.mark.parametrize(("arguments", "env", "said"), [(["--help"], {}, "Commands:"), ([], COMPLETING, "plain,call")])
def test_the_help_and_the_completion_of_commands_load_nothing_heavy(arguments, env, said):
    code = f"""
import sys
from vmcp_proxy.cli.main import main
try:
    main({arguments})
except SystemExit:
    print("LOADED", [name for name in {HEAVY!r} if name in sys.modules])
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=SECONDS, check=True, env=os.environ | env
    )
    assert said in done.stdout
    assert "LOADED []" in done.stdout


@pytest.mark.scenario("D-4")
def test_the_help_names_every_command_and_exit_code(capsys):
    done = call_vmcp(capsys, "--help")
    assert done.code == Exit.OK
    for name in ("serve", "validate", "init", "tools", "call"):
        assert re.search(rf"^  {name} +\S", done.out, re.MULTILINE)
    for code, meaning in MEANINGS.items():
        assert re.search(rf"^  {int(code)} +{re.escape(meaning)}$", done.out, re.MULTILINE)


@pytest.mark.scenario("D-4")
def test_the_reference_documents_every_exit_code():
    text = REFERENCE.read_text(encoding="utf-8")
    for code, meaning in MEANINGS.items():
        assert f"| {int(code)} | {meaning}" in text


@pytest.mark.parametrize("name", list(main_module.SUBCOMMANDS))
def test_the_reference_documents_every_option(name):
    command = main_module.vmcp.get_command(None, name)
    section = REFERENCE.read_text(encoding="utf-8").partition(f"## vmcp {name}\n")[2].partition("\n## ")[0]
    for parameter in command.params:
        for option in (*parameter.opts, *parameter.secondary_opts):
            if option.startswith("--"):
                assert f"`{option}" in section, f"{option} of vmcp {name}"


def test_an_unknown_command_is_a_wrong_command_line():
    done = run_vmcp("sevre")
    assert done.code == Exit.USAGE
    assert "No such command 'sevre'; did you mean 'serve'?" in done.err
    said = run_vmcp("frobnicate").err
    assert f"known commands: {', '.join(main_module.SUBCOMMANDS)}" in " ".join(said.split())


def test_a_package_that_is_not_installed_is_named_with_the_way_to_install_it(capsys, monkeypatch):
    for module in ("tools", "conversation", "failures"):
        monkeypatch.delitem(sys.modules, f"vmcp_proxy.cli.endpoint.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp_types", None)
    done = call_vmcp(capsys, "tools")
    assert done.code == Exit.USAGE
    assert "lacks the package 'mcp" in done.err
    assert ".[cli]" in done.err


def test_a_crash_is_told_without_the_text_of_the_exception(capsys, monkeypatch):
    secret = "token-4711"

    def crash(*_args, **_kwargs):
        raise ValueError(secret)

    monkeypatch.setattr(main_module.vmcp, "invoke", crash)
    done = call_vmcp(capsys, "validate", ".")
    assert done.code == Exit.INTERNAL
    assert "ValueError" in done.err
    assert "token-4711" not in done.err
