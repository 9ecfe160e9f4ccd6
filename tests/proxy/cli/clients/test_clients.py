"""The entries of MCP clients: printed, or put into their files without touching the rest."""

import json
import stat
import tomllib

import pytest

from tests.proxy.cli.commands import call_vmcp
from vmcp_proxy.cli.clients.edit import CannotEditError, add_json, add_toml

pytestmark = pytest.mark.scenario("D-6")

ENTRY = {"url": "http://127.0.0.1:4483/mcp"}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", '{\n  "mcpServers": {\n    "vmcp": {\n      "url": "u"\n    }\n  }\n}\n'),
        ("{}", '{\n  "mcpServers": {\n    "vmcp": {\n      "url": "u"\n    }\n  }\n}'),
        (
            '{\n\t// mine\n\t"mcpServers": {\n\t\t"a": {"x": "}"}, // last\n\t},\n\t"z": 1 /* end */\n}\n',
            (
                '{\n\t// mine\n\t"mcpServers": {\n\t\t"a": {"x": "}"},\n\t\t"vmcp": {\n\t\t\t"url": "u"\n'
                '\t\t} // last\n\t},\n\t"z": 1 /* end */\n}\n'
            ),
        ),
        (
            '{"other": {"mcpServers": {}}, "mcpServers": {}}',
            '{"other": {"mcpServers": {}}, "mcpServers": {\n    "vmcp": {\n      "url": "u"\n    }\n  }}',
        ),
        (
            '{\r\n    "a": [1, {"b": 2}]\r\n}\r\n',
            (
                '{\r\n    "a": [1, {"b": 2}],\r\n    "mcpServers": {\r\n        "vmcp": {\r\n            "url": "u"\r\n'
                "        }\r\n    }\r\n}\r\n"
            ),
        ),
    ],
)
def test_an_entry_is_added_and_every_other_byte_stays(before, after):
    assert add_json(before, "mcpServers", "vmcp", {"url": "u"}) == after
    assert add_json(after, "mcpServers", "vmcp", {"url": "u"}) == after


@pytest.mark.parametrize("text", ["[]", "{", '{"mcpServers": []}', '{"mcpServers": {"vmcp": {"url": "other"}}}'])
def test_what_an_entry_cannot_be_put_into_is_refused(text):
    with pytest.raises(CannotEditError):
        add_json(text, "mcpServers", "vmcp", {"url": "u"})


@pytest.mark.parametrize("before", ["", "# mine\nmodel = 'x'", "[mcp_servers.a]\nurl = 'b'\n"])
def test_a_table_is_added_to_toml_and_every_other_byte_stays(before):
    after = add_toml(before, "mcp_servers", "my vmcp", {"command": 'C:\\"x"', "args": ["ä"]})
    assert after.startswith(before)
    assert tomllib.loads(after)["mcp_servers"]["my vmcp"] == {"command": 'C:\\"x"', "args": ["ä"]}
    assert add_toml(after, "mcp_servers", "my vmcp", {"command": 'C:\\"x"', "args": ["ä"]}) == after


def test_toml_with_another_entry_or_an_inline_table_is_refused():
    for text in ("mcp_servers = {a = {url = 'b'}}", "[mcp_servers.vmcp]\nurl = 'other'", "["):
        with pytest.raises(CannotEditError):
            add_toml(text, "mcp_servers", "vmcp", ENTRY)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.setattr("sys.platform", "linux")
    return tmp_path


def test_an_entry_is_printed_and_nothing_is_written(capsys, home):
    (home / ".cursor").mkdir()
    ended = call_vmcp(capsys, "clients", "cursor")
    assert json.loads(ended.out) == {"mcpServers": {"vmcp": ENTRY}}
    assert str(home / ".cursor" / "mcp.json") in ended.err
    assert list((home / ".cursor").iterdir()) == []
    assert "claude-desktop" in call_vmcp(capsys, "clients").out


def test_writing_keeps_the_mode_follows_a_link_and_keeps_what_was_there(capsys, home):
    (home / ".cursor").mkdir()
    real = home / "dotfiles.json"
    real.write_text('{"mcpServers": {"a": {"url": "b"}}}')
    real.chmod(0o640)
    (home / ".cursor" / "mcp.json").symlink_to(real)
    assert call_vmcp(capsys, "clients", "cursor", "--write").code == 0
    assert json.loads(real.read_text())["mcpServers"] == {"a": {"url": "b"}, "vmcp": ENTRY}
    assert stat.S_IMODE(real.stat().st_mode) == 0o640
    assert (home / ".cursor" / "mcp.json").is_symlink()
    assert (home / "dotfiles.json.vmcp.bak").read_text() == '{"mcpServers": {"a": {"url": "b"}}}'
    assert "already" in call_vmcp(capsys, "clients", "cursor", "--write").out


def test_no_backup_takes_the_place_of_the_first_one(capsys, home):
    file = home / "mcp.json"
    file.write_text('{"mine": 1}')
    backups = [home / f"mcp.json.vmcp.bak{number}" for number in ("", ".1", ".2")]
    for name in ("one", "two"):
        assert call_vmcp(capsys, "clients", "cursor", "--to", str(file), "--name", name, "--write").code == 0
    with_one = json.loads(backups[1].read_text())
    assert json.loads(backups[0].read_text()) == {"mine": 1}
    assert list(with_one["mcpServers"]) == ["one"]
    assert stat.S_IMODE(backups[1].stat().st_mode) == stat.S_IMODE(file.stat().st_mode)
    # Once more with what is kept already: no other copy.
    file.write_text('{"mine": 1}')
    said = call_vmcp(capsys, "clients", "cursor", "--to", str(file), "--name", "three", "--write").out
    assert f"is in {backups[0]}\n" in said
    assert not backups[2].exists()


def test_a_client_that_starts_servers_itself_gets_a_command_with_whole_paths(capsys, home, monkeypatch):
    (home / "v.yaml").touch()
    monkeypatch.chdir(home)
    assert call_vmcp(capsys, "clients", "claude-desktop").code == 2
    entry = json.loads(call_vmcp(capsys, "clients", "claude-desktop", "-f", "v.yaml").out)["mcpServers"]["vmcp"]
    assert entry["command"].startswith("/")
    assert entry["args"][-4:] == ["serve", "--stdio", "-f", str(home / "v.yaml")]


def test_what_cannot_be_written_says_the_entry_and_leaves_the_file(capsys, home):
    ended = call_vmcp(capsys, "clients", "cursor", "--write")
    assert (ended.code, "no folder" in ended.err) == (1, True)
    (home / ".cursor").mkdir()
    file = home / ".cursor" / "mcp.json"
    file.write_text("{")
    ended = call_vmcp(capsys, "clients", "cursor", "--write")
    assert (ended.code, file.read_text()) == (3, "{")
    assert '"vmcp"' in ended.err


@pytest.mark.parametrize(
    ("words", "said"),
    [(("--url", "not-a-url"), "http"), (("--name", ""), "--name is empty; write one, such as vmcp")],
)
def test_an_entry_that_no_client_could_use_is_neither_printed_nor_written(capsys, words, said):
    done = call_vmcp(capsys, "clients", "cursor", *words)
    assert done.code == 2
    assert said in done.err
    assert done.out == ""
