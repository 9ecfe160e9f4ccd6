"""Manifest files: many documents, line numbers, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_api.kinds import MCPGroup
from vmcp_api.kinds.foreign.core import Secret
from vmcp_api.manifests import toolhive
from vmcp_api.manifests.documents import Source, parse_documents
from vmcp_api.manifests.load import Loaded, load
from vmcp_api.text.yaml_text import parse_yaml

GROUP = "apiVersion: vmcp.dev/v1beta1\nkind: MCPGroup\nmetadata:\n  name: {name}\n"


def load_text(text: str) -> Loaded:
    return load([Source("m.yaml", text)])


def lines_of(loaded: Loaded) -> list[str]:
    return str(loaded.problems).splitlines()


@pytest.mark.scenario("D-4")
def test_a_problem_names_the_file_the_line_and_the_path():
    text = GROUP.format(name="a") + "---\n" + GROUP.format(name="b") + "spec:\n  descripton: x\n"
    assert lines_of(load_text(text)) == [
        "m.yaml:11: MCPGroup/b: spec.descripton: is an unknown key; did you mean 'description'?"
    ]


def test_a_missing_key_is_placed_at_the_mapping_that_lacks_it():
    text = "apiVersion: vmcp.dev/v1beta1\nkind: MCPServer\nmetadata:\n  name: a\nspec:\n  args: []\n"
    assert lines_of(load_text(text)) == ["m.yaml:5: MCPServer/a: spec.image: is required; add it"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "m.yaml:1: is no YAML"),
        ("a: 1\n\tb: 2", "m.yaml:2: is no YAML"),
        ("a: \x00", "m.yaml:1: is no YAML"),
        ("a: *nowhere", "is no YAML: found undefined alias 'nowhere'"),
        ("- 1", "m.yaml:1: is no object"),
        ("kind: X", "m.yaml:1: apiVersion: is required"),
        ("apiVersion: v1\nkind: Secret", "metadata.name: is required"),
        ("apiVersion: v1\nkind: Secret\nmetadata:\n  name: [a]", "m.yaml:4: Secret: metadata.name: must be text"),
        ("kind: X\napiVersion: 1", "m.yaml:2: apiVersion: must be text; write text such as vmcp.dev/v1beta1"),
        ("apiVersion: v1\nkind: on", "m.yaml:2: kind: must be text"),
        (GROUP.format(name="5"), "m.yaml:4: MCPGroup: metadata.name: must be text; put the value in quotes"),
        (GROUP.format(name="on"), "m.yaml:4: MCPGroup: metadata.name: must be text; put the value in quotes"),
        (GROUP.format(name="''"), "m.yaml:4: MCPGroup: metadata.name: is empty; write one"),
        (GROUP.format(name=""), "m.yaml:4: MCPGroup: metadata.name: is required; add it"),
        (
            GROUP.format(name="demo").replace(": demo", ":demo"),
            "m.yaml:3: MCPGroup: metadata: must be a mapping; write name: …, with a blank after the colon, under it",
        ),
        (GROUP.format(name="a") + "  namespace: 5\n", "m.yaml:5: MCPGroup: metadata.namespace: must be text"),
        ("apiVersion: !x vmcp.dev/v1beta1\nkind: MCPGroup\nmetadata: {name: a}", "YAML tag"),
        (GROUP.format(name="a") + "kind: MCPGroup\n", "m.yaml:5: the key kind stands here twice"),
        ("[" * 5000, "nested or repeated too much"),
        ("b: 1\na: " + "[" * 100 + "]" * 100, "m.yaml:2: the YAML is nested or repeated too much"),
        (
            'apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData:\n  k: "\\ud800"',
            "m.yaml:5: stringData.k: holds half",
        ),
        ('apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  "k\\udfff": x', "m.yaml:5: data: holds half"),
    ],
)
def test_text_that_is_no_manifest_is_a_problem_with_its_line(text, said):
    assert said in str(load_text(text).problems)


def test_a_missing_separator_is_told_once_for_each_and_all_objects_are_read():
    texts = [GROUP.format(name=name) + "spec: {}\n" for name in ("a", "b", "c")]
    secret = "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\nstringData: {k: canary}\n"
    loaded = load_text("".join((*texts, secret)))
    assert lines_of(loaded) == [
        f"m.yaml:{line}: another object begins here; put a line `---` before it" for line in (6, 11, 16)
    ]
    assert [document.subject for document in loaded.documents.items] == [
        "MCPGroup/a",
        "MCPGroup/b",
        "MCPGroup/c",
        "Secret/s",
    ]
    assert [document.line for document in loaded.documents.items] == [1, 6, 11, 16]


@pytest.mark.parametrize(
    "text",
    [
        '{"mcpServers": {"a": {"command": "canary"}}}',
        '\ufeff// of VS Code\n{"inputs": [], "servers": {"a": {"url": "http://canary"},},}',
    ],
)
def test_an_editors_file_is_recognised_and_told_how_it_is_given(text):
    assert lines_of(load_text(text)) == [
        "m.yaml:1: is an editor's server file and no manifest; give it with --mcp-config"
    ]


@pytest.mark.parametrize(
    "text", ['{"mcpServers": 1}', '{"apiVersion": "v1", "kind": "X", "servers": {}}', "servers: {}"]
)
def test_what_only_looks_like_an_editors_file_is_read_as_a_manifest(text):
    assert "--mcp-config" not in str(load_text(text).problems)


def test_anchors_that_expand_without_end_are_refused():
    rows = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    rows += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    _, problems = parse_yaml("\n".join(rows))
    assert "too much" in str(problems)
    _, problems = parse_yaml("a: &a [*a]")
    assert "too much" in str(problems)


def test_anchors_and_merge_keys_work_as_in_kubectl():
    (document,), problems = parse_yaml("base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3\n")
    assert not problems
    assert document.data == {"base": {"x": 1, "y": 2}, "c": {"x": 1, "y": 3}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("2026-01-01", "2026-01-01"),
        ("1:30", "1:30"),
        ("0644", 420),
        ("0x10", 16),
        ("1e3", 1000.0),
        ("1_000", "1_000"),
        ("yes", True),
        ("~", None),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("-1e999", "-1e999"),
        ("9" * 30, "9" * 30),
        ("08", 8),
    ],
)
def test_scalars_mean_what_they_mean_to_kubernetes(text, value):
    (document,), _ = parse_yaml(f"a: {text}")
    assert document.data == {"a": value}


def test_an_object_declared_twice_is_refused_and_the_first_place_named():
    documents = parse_documents([Source("a.yaml", GROUP.format(name="x")), Source("b.yaml", GROUP.format(name="x"))])
    (problem,) = documents.problems
    assert (problem.file, problem.subject) == ("b.yaml", "MCPGroup/x")
    assert "a.yaml:1" in problem.message


def test_the_entries_of_a_list_are_read_with_their_own_lines():
    text = (
        "apiVersion: v1\nkind: List\nitems:\n- apiVersion: vmcp.dev/v1beta1\n  kind: MCPGroup\n"
        "  metadata:\n    name: a\n- apiVersion: vmcp.dev/v1beta1\n  kind: MCPGroup\n"
        "  metadata:\n    name: b\n  spec:\n    x: 1\n"
    )
    loaded = load_text(text)
    assert list(loaded.namespaces["default"].of(MCPGroup)) == ["a"]
    assert str(loaded.problems).startswith("m.yaml:13: MCPGroup/b: spec.x: is an unknown key")


def test_manifests_of_the_reference_system_are_told_the_one_line_to_change():
    text = GROUP.format(name="a").replace("vmcp.dev", "toolhive.stacklok.dev")
    assert "change apiVersion to vmcp.dev/v1beta1, or run `vmcp convert`" in str(load_text(text).problems.errors)


def test_manifests_of_the_reference_system_are_told_all_that_is_to_be_changed_at_once():
    text = GROUP.format(name="a").replace("vmcp.dev", "toolhive.stacklok.dev") + "spec: {descripton: x}\n"
    assert lines_of(load_text(text)) == [
        (
            "m.yaml:1: MCPGroup: apiVersion: toolhive.stacklok.dev is another product's group; change apiVersion to"
            " vmcp.dev/v1beta1, or run `vmcp convert`"
        ),
        "m.yaml:5: MCPGroup/a: spec.descripton: is an unknown key; did you mean 'description'?",
    ]


@pytest.mark.parametrize("group", ["vmcp.dev", "toolhive.stacklok.dev"])
@pytest.mark.parametrize("kind", toolhive.KINDS)
def test_a_kind_that_is_not_there_is_named_with_what_to_write_instead(kind, group):
    text = GROUP.format(name="a").replace("MCPGroup", kind).replace("vmcp.dev", group)
    assert lines_of(load_text(text)) == [f"m.yaml:2: kind: vmcp.dev has no kind {kind!r}; {toolhive.KINDS[kind]}"]


@pytest.mark.parametrize("kind", ["Deployment", "Namespace"])
def test_other_kinds_are_passed_over_with_a_warning(kind):
    loaded = load_text(f"apiVersion: apps/v1\nkind: {kind}\nmetadata:\n  name: a\n")
    assert not loaded.problems.errors
    assert len(loaded.problems.warnings) == 1


def test_a_misspelt_kind_or_version_of_ours_is_an_error():
    assert "did you mean 'MCPGroup'?" in str(
        load_text(GROUP.format(name="a").replace("MCPGroup", "McpGroups")).problems
    )
    assert "write vmcp.dev/v1beta1" in str(load_text(GROUP.format(name="a").replace("v1beta1", "v1")).problems)


def test_secret_values_are_decoded_and_never_shown():
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\n"
        "data: {a: Y2FuYXJ5LTE=}\nstringData: {b: canary-2, a2: canary-3}\n"
    )
    loaded = load_text(text)
    secrets = loaded.namespaces["default"].of(Secret)
    assert {key: value.reveal() for key, value in secrets["s"].data.items()} == {
        "a": b"canary-1",
        "b": b"canary-2",
        "a2": b"canary-3",
    }
    shown = repr(loaded) + str(loaded) + repr(Source("f", text))
    assert "canary" not in shown
    assert "Y2FuYXJ5" not in shown


def test_a_secret_that_is_no_base64_is_refused_without_its_value():
    problems = load_text("apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {a: canary!}\n").problems
    assert "m.yaml:4: Secret/s: data.a: is not base64" in str(problems)
    assert "canary" not in str(problems)


def test_objects_are_kept_apart_by_namespace():
    other = GROUP.format(name="a") + "  namespace: other\n"
    loaded = load_text(GROUP.format(name="a") + "---\n" + other)
    assert not loaded.problems
    assert sorted(loaded.namespaces) == ["default", "other"]
    assert list(loaded.namespaces["other"].of(MCPGroup)) == ["a"]


def test_odd_keys_and_merges_among_glued_objects_are_no_crash():
    text = "<<: {x: 1}\n<<: {y: 1}\n? [a]\n: 1\n" + GROUP.format(name="a") + "? {b: 1}\n: 1\n" + GROUP.format(name="b")
    loaded = load_text(text)
    assert [document.name for document in loaded.documents.items] == ["a", "b"]
    assert "m.yaml:11: another object begins here" in str(loaded.problems)


@pytest.mark.parametrize("text", ["", "# nothing\n", "---\n---\n"])
def test_files_without_an_object_are_refused(text):
    said = str(load_text(text).problems.errors)
    assert said == "m.yaml:1: holds no object; write one, or begin with what `vmcp init` writes"
    assert load([Source("a", text), Source("b", text)]).problems.errors
    beside = [Source("empty.yaml", text), Source("m.yaml", GROUP.format(name="a"))]
    assert not load(beside).problems.errors


@pytest.mark.scenario("X-1")
@given(st.text(max_size=200))
def test_any_text_is_read_without_a_crash(text):
    load_text(text)


@pytest.mark.scenario("X-1")
@given(st.text(alphabet="ab:-[]{}&*!|>'\"#%@,\n \t0123", max_size=60))
def test_any_yaml_shaped_text_is_read_without_a_crash(text):
    load_text(text)
