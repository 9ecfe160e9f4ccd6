"""`vmcp validate`: what is wrong, where, and what to do."""

import json
import sys

import pytest

from tests.proxy.cli.commands import call_vmcp, endpoint, run_vmcp, server, write
from vmcp_proxy.cli.exits import Exit

pytestmark = pytest.mark.scenario("D-4")

UNKNOWN_KEY = """\
apiVersion: vmcp.dev/v1beta1
kind: VirtualMCPServer
metadata:
  name: v
spec:
  group_ref:
    name: g
  incomingAuth:
    type: anonymous
"""


def test_an_unknown_key_is_refused_with_its_line_and_the_key_that_was_meant(tmp_path):
    file = tmp_path / "v.yaml"
    file.write_text(UNKNOWN_KEY)
    done = run_vmcp("validate", str(file))
    assert done.code == Exit.INVALID
    assert f"{file}:6: VirtualMCPServer/v: spec.group_ref: " in done.out
    assert "did you mean 'groupRef'?" in done.out


def test_a_reference_to_nothing_is_refused_with_what_there_is(tmp_path, capsys):
    vmcp, group = endpoint(groupRef={"name": "gruop"})
    file = write(tmp_path / "v.yaml", vmcp, group)
    done = call_vmcp(capsys, "validate", file)
    assert done.code == Exit.INVALID
    assert "VirtualMCPServer/v: spec.groupRef.name: MCPGroup 'gruop' does not exist" in done.out
    assert "known MCPGroups: g" in done.out
    assert done.out.splitlines()[-1] == "1 error"


def test_every_file_of_a_folder_is_read_and_every_problem_is_told(tmp_path, capsys):
    (tmp_path / "a.yaml").write_text(UNKNOWN_KEY)
    (tmp_path / "b.yml").write_text("kind: [\n")
    (tmp_path / "c.txt").write_text("kind: [\n")
    done = call_vmcp(capsys, "validate", str(tmp_path))
    assert done.code == Exit.INVALID
    assert f"{tmp_path}/a.yaml:" in done.out
    assert f"{tmp_path}/b.yml:" in done.out
    assert "c.txt" not in done.out


def test_what_is_valid_is_summed_up_in_one_line(tmp_path, capsys):
    write(tmp_path / "a.yaml", *endpoint())
    write(tmp_path / "b.yaml", server("one"))
    done = call_vmcp(capsys, "validate", str(tmp_path))
    assert done == type(done)(Exit.OK, "ok: 3 objects in 2 files, serving v\n", "")


def test_files_of_which_nothing_would_be_served_are_a_warning(tmp_path, capsys):
    file = write(tmp_path / "a.yaml", endpoint()[1], server("one"))
    done = call_vmcp(capsys, "validate", file)
    assert done.code == Exit.OK
    assert "warning: nothing would be served: there is no VirtualMCPServer; add one" in done.out
    assert done.out.splitlines()[-1] == "ok: 2 objects in 1 file (1 warning)"
    (tmp_path / "a.yaml").write_text(UNKNOWN_KEY)
    assert "nothing would be served" not in call_vmcp(capsys, "validate", file).out


def test_files_are_named_as_they_are_to_serve_too(tmp_path, capsys):
    first, second = write(tmp_path / "a.yaml", *endpoint()), write(tmp_path / "b.yaml", server("one"))
    done = call_vmcp(capsys, "validate", "-f", first, "--file", second)
    assert done == type(done)(Exit.OK, "ok: 3 objects in 2 files, serving v\n", "")
    assert call_vmcp(capsys, "validate", first, "-f", second) == done
    refused = call_vmcp(capsys, "validate", "-f", first, "--mcp-config", second)
    assert "validate [OPTIONS] [FILE_OR_DIR...]" in refused.err
    assert (refused.code, "Give FILE_OR_DIR... or --mcp-config FILE" in refused.err) == (Exit.USAGE, True)


def test_warnings_are_told_and_do_not_fail(tmp_path, capsys):
    nowhere = server("one")
    del nowhere["metadata"]["annotations"]
    file = write(tmp_path / "v.yaml", *endpoint(), nowhere)
    done = call_vmcp(capsys, "validate", file)
    assert done.code == Exit.OK
    assert "warning: MCPServer/one: " in done.out
    assert "vmcp.dev/local-command" in done.out
    assert done.out.splitlines()[-1] == "ok: 3 objects in 1 file, serving v (1 warning)"


def test_what_keeps_files_from_serving_anything_is_told(tmp_path, capsys):
    lost = server("one")
    lost["spec"]["groupRef"]["name"] = "h"
    done = call_vmcp(capsys, "validate", write(tmp_path / "v.yaml", *endpoint(), lost))
    assert done.code == Exit.OK
    assert "v.yaml:2: warning: VirtualMCPServer/v: spec.groupRef.name: MCPGroup 'g' has no members" in done.out
    assert "v.yaml:6: warning: MCPServer/one: spec.groupRef.name: MCPGroup 'h' is not in the files" in done.out
    (tmp_path / "v.yaml").write_text("# nothing yet\n")
    done = call_vmcp(capsys, "validate", str(tmp_path))
    assert done.code == Exit.INVALID
    assert "v.yaml:1: holds no object" in done.out


def test_files_that_are_given_in_the_wrong_way_are_told_the_right_one(tmp_path, capsys):
    (tmp_path / "mcp.json").write_text('{"mcpServers": {"a": {"command": "x"}}}')
    done = call_vmcp(capsys, "validate", str(tmp_path / "mcp.json"))
    assert (done.code, done.out.splitlines()[-1]) == (Exit.INVALID, "1 error")
    assert "mcp.json:1: is an editor's server file and no manifest; give it with --mcp-config" in done.out
    (tmp_path / "v.yaml").write_text(UNKNOWN_KEY)
    done = call_vmcp(capsys, "validate", "--mcp-config", str(tmp_path / "v.yaml"))
    assert done.code == Exit.INVALID
    assert "v.yaml: is a manifest and no editor's server file; leave --mcp-config out" in done.out


def test_a_file_that_is_not_utf_8_and_a_folder_without_manifests_are_named(tmp_path, capsys):
    (tmp_path / "v.yaml").write_bytes(b"\xff\xfe\x00")
    done = call_vmcp(capsys, "validate", str(tmp_path / "v.yaml"))
    assert done.code == Exit.INVALID
    assert "v.yaml: is not written in UTF-8" in done.out
    (tmp_path / "empty").mkdir()
    done = call_vmcp(capsys, "validate", str(tmp_path / "empty"))
    assert done.code == Exit.INVALID
    assert f"there is no *.yaml or *.yml file in {tmp_path}/empty; name a file" in done.out


def test_problems_are_there_for_programs_too(tmp_path, capsys):
    file = tmp_path / "v.yaml"
    file.write_text(UNKNOWN_KEY)
    done = call_vmcp(capsys, "validate", str(file), "-o", "json")
    assert done.code == Exit.INVALID
    answer = json.loads(done.out)
    assert answer["ok"] is False
    problem = next(each for each in answer["problems"] if each["path"] == "spec.group_ref")
    assert (problem["severity"], problem["file"], problem["line"]) == ("error", str(file), 6)
    assert problem["subject"] == "VirtualMCPServer/v"
    assert "groupRef" in problem["remedy"]


def test_an_editors_file_is_checked_without_telling_its_values(tmp_path, capsys):
    file = tmp_path / "mcp.json"
    file.write_text(json.dumps({"mcpServers": {"a": {"comand": "x", "env": {"KEY": "token-4711"}}}}))
    done = call_vmcp(capsys, "validate", "--mcp-config", str(file))
    assert done.code == Exit.OK
    assert "mcpServers.a.comand" in done.out
    assert done.out.splitlines()[-1] == f"ok: 0 servers in {file}, 1 withheld (3 warnings)"
    assert f"{file}: warning: nothing would be served: no server is left; add one" in done.out
    assert "command" in done.out
    assert "token-4711" not in done.out
    file.write_text(json.dumps({"mcpServers": {"a": {"command": sys.executable}}}))
    done = call_vmcp(capsys, "validate", "--mcp-config", str(file))
    assert (done.code, done.out) == (Exit.OK, f"ok: 1 server in {file}\n")


@pytest.mark.parametrize("arguments", [(), ("no-such-file.yaml",)])
def test_a_command_line_that_names_no_file_is_wrong(arguments, capsys):
    assert call_vmcp(capsys, "validate", *arguments).code == Exit.USAGE


def test_what_policies_name_and_nothing_has_is_a_warning_with_its_policy_wherever_the_policies_stand(tmp_path, capsys):
    text = '@id("slip") permit(principal, action, resource in Backend::"on") when { resource.original like "*" };'
    shared = {
        "apiVersion": "vmcp.dev/v1beta1",
        "kind": "MCPAuthzConfig",
        "metadata": {"name": "office"},
        "spec": {"config": {"policies": [text, 'forbid(principal, action, resource in MCP::"other");']}},
    }
    data = {
        "rules.cedar": text,
        "rules.json": json.dumps(
            {"version": "1.0", "type": "cedarv1", "cedar": {"policies": [text], "entities_json": "[]"}}
        ),
    }
    cluster = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "rules"}, "data": data}
    guards = {
        "MCPAuthzConfig/office: spec.config.policies[0]": {"authzConfigRef": {"name": "office"}},
        "VirtualMCPServer/v: spec.incomingAuth.authzConfig.inline.policies[0]": inline("inline", {"policies": [text]}),
        "ConfigMap/rules: data['rules.cedar']": inline("configMap", {"name": "rules", "key": "rules.cedar"}),
        "ConfigMap/rules: data['rules.json']": inline("configMap", {"name": "rules", "key": "rules.json"}),
    }
    for place, auth in guards.items():
        vmcp, group = endpoint(incomingAuth={"type": "anonymous", **auth})
        other = {**vmcp, "metadata": {"name": "other"}, "spec": {**vmcp["spec"], "incomingAuth": {"type": "anonymous"}}}
        file = write(tmp_path / "all.yaml", vmcp, other, group, server("one"), shared, cluster)
        done = call_vmcp(capsys, "validate", file)
        assert done.code == Exit.OK
        (line,) = [each for each in done.out.splitlines() if "names Backend" in each]
        assert place in line
        assert "line 1: policy 'slip': names Backend::\"on\", and there is no such backend; did you mean 'one'?" in line
        assert done.out.splitlines()[-1].endswith("(1 warning)")


def inline(way, said):
    return {"authzConfig": {"type": way, way: said}}
