"""Whatever stands in a manifest, a config or an editor's file: the answer is problems with place and remedy."""

import copy
import time
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.authcases import strategy
from tests.api.manifests import manifest
from tests.support.examples import examples
from tests.support.mutation import json_values, mutated
from vmcp_api.config import CONTRACT
from vmcp_api.editor.servers import parse_mcp_servers
from vmcp_api.kinds import KINDS
from vmcp_api.manifests.documents import Source
from vmcp_api.manifests.load import load
from vmcp_api.manifests.problems import Problem, Problems
from vmcp_api.render import Mode, Rendered, decode_config, encode_config, render

pytestmark = pytest.mark.scenario("X-1")

SECRET: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "s", "namespace": "ns"},
    "data": {"k": "YQ=="},
}
DOCUMENTS: list[dict[str, Any]] = [
    manifest(
        "VirtualMCPServer",
        "front",
        passthroughHeaders=["X-Tenant"],
        sessionManagement={"ttl": "30m"},
        config={"aggregation": {"tools": [{"workload": "one", "overrides": {"t": {"name": "x"}}}]}},
    ),
    manifest("MCPGroup", "team"),
    manifest("MCPServer", "one", annotations={"vmcp.dev/local-command": "python -m server"}),
    manifest(
        "MCPServerEntry",
        "two",
        headerForward={
            "addHeadersFromSecret": [{"headerName": "X-A", "valueSecretRef": {"name": "s", "key": "k"}}],
        },
    ),
    manifest("MCPOIDCConfig", "idp", inline={"issuer": "https://idp.example.com", "insecureAllowHTTP": False}),
    manifest("MCPExternalAuthConfig", "keys", **strategy("clientCredentials", scopes=["read"])),
    manifest("MCPAuthzConfig", "policies"),
    manifest(
        "VirtualMCPServer",
        "guarded",
        incomingAuth={
            "type": "oidc",
            "oidcConfigRef": {"name": "idp", "audience": "a", "scopes": ["b"]},
            "authzConfigRef": {"name": "policies"},
        },
        outgoingAuth={
            "default": {"type": "externalAuthConfigRef", "externalAuthConfigRef": {"name": "keys"}},
            "backends": {"two": strategy("relay", audience="b")},
        },
    ),
    manifest(
        "VirtualMCPServer",
        "own",
        incomingAuth={"type": "anonymous", "authzConfig": {"configMap": {"name": "s", "key": "k"}}},
    ),
    SECRET,
    {**SECRET, "kind": "ConfigMap", "data": {"k": "permit (principal, action, resource);"}},
]
VALUES = json_values | st.sampled_from(
    ["0s", "1h", "10000000h", "-1s", "X-A\r\nX-B", "http://", "https://u:p@h/x", "no"]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Every place of a document that a change could be made at."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(*path, step) for step, _ in inner] + [each for step, part in inner for each in places(part, (*path, step))]


@st.composite
def changed_documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The documents with a few values replaced, keys added, removed or used twice by an anchor."""
    documents = copy.deepcopy(DOCUMENTS)
    for _ in range(draw(st.integers(1, 3))):
        *parents, last = draw(st.sampled_from(places(documents)))
        target: Any = documents
        for step in parents:
            target = target[step]
        match draw(st.sampled_from(["replace", "replace", "add", "remove", "share"])):
            case "replace":
                target[last] = draw(VALUES)
            case "add" if isinstance(target, dict):
                target[draw(st.text(max_size=9))] = draw(VALUES)
            case "share":
                target[last] = documents
            case _:
                del target[last]
    return documents


def check(problems: Problems, file: str) -> None:
    """Every problem says what is wrong, where, and what to do."""
    for problem in problems:
        assert problem.message
        assert problem.remedy, problem
        assert problem.file == file
        # What is wrong with a file as a whole has no place in it.
        assert problem.loc or problem.line or file.endswith(".json") or "too much" in problem.message, problem
        assert str(problem)


def check_all(text: str) -> None:
    """Reads a manifest file as `vmcp validate`, `vmcp serve -f` and the operator do."""
    loaded = load([Source("m.yaml", text)])
    check(loaded.problems, "m.yaml")
    if loaded.problems.errors:
        return
    for namespace, name in loaded.virtual_servers():
        for mode in Mode:
            rendered = render(loaded.namespaces[namespace], name, mode=mode)
            found = rendered.warnings if isinstance(rendered, Rendered) else rendered
            check(loaded.place(found, namespace), "m.yaml")
            if isinstance(rendered, Rendered):
                assert decode_config(encode_config(rendered.config), "c.json") == rendered.config


@settings(max_examples=examples(200))
@given(changed_documents())
def test_any_change_of_a_manifest_is_served_or_explained(documents):
    check_all(yaml.safe_dump_all(documents, allow_unicode=True))


@settings(max_examples=examples(200))
@given(mutated([yaml.safe_dump_all(DOCUMENTS).encode()], most=6))
def test_any_bytes_of_a_manifest_are_read_or_explained(data):
    check_all(data.decode("utf-8", "replace"))


HUGE = {
    "deep": "a: " + "[" * 900 + "]" * 900,
    "recursive": "&a [*a, *a]",
    "recursive merge": "<<: &a {<<: *a}\nb: 1",
    "recursive key": "&a {? *a : 1}",
    "a million laughs": "\n".join(
        ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
        + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    ),
    "long number": "a: " + "9" * 100_000,
    "long key": "? " + "k" * 100_000 + "\n: 1",
    "long scalar": "a: " + "x" * 1_000_000,
    "many documents": "---\n" * 5_000,
    "many keys": "\n".join(f"k{n}: {n}" for n in range(5_000)),
    "unicode": "\u2028\ufeff\u0085: \U0010ffff",
    "tags": "!!python/object/apply:os.system [x]",
    "times": "a: 2026-01-01\nb: 1:30:00\nc: .inf\nd: .nan\ne: 1e999",
}


@pytest.mark.parametrize("text", HUGE.values(), ids=HUGE)
def test_hostile_yaml_is_explained_within_a_bound(text):
    began = time.process_time()
    check_all(text)
    spec = manifest("VirtualMCPServer")
    check_all(yaml.safe_dump(spec) + "\n".join(f"  {line}" for line in ("extra:", *text.splitlines())))
    assert time.process_time() - began < 20


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=examples(60))
@given(spec=json_values)
def test_any_spec_is_served_or_explained(kind, spec):
    document = {**manifest(kind), "spec": spec}
    check_all(yaml.safe_dump(document, allow_unicode=True))


CONFIG = encode_config(
    ok.config
    if isinstance(ok := render(load([Source("m", yaml.safe_dump_all(DOCUMENTS))]).namespaces["ns"], "front",
                               mode=Mode.LOCAL), Rendered)
    else pytest.fail(str(ok))
)  # fmt: skip


@settings(max_examples=examples(200))
@given(mutated([CONFIG.encode()], most=5))
def test_any_bytes_of_a_config_are_read_or_explained(data):
    config = decode_config(data.decode("utf-8", "replace"), "c.json")
    if isinstance(config, Problems):
        assert config.errors
        check(config, "c.json")


@pytest.mark.parametrize(
    "text",
    ["", "null", "[]", "[" * 100_000, "9" * 100_000, '"\\ud800"', f'{{"contract":{CONTRACT},"name":{"9" * 5000}}}'],
    ids=range(7),
)
def test_a_config_that_is_none_is_explained(text):
    problems = decode_config(text, "c.json")
    assert isinstance(problems, Problems)
    check(problems, "c.json")


EDITOR = """\ufeff{ // of VS Code
  "mcpServers": {
    "a": {"command": "x", "args": ["${A}"], "env": {"K": "v"}, "envFile": "${A}.env",}, /* and */
    "b": {"serverUrl": "http://h/mcp"},
    "日本": {"command": "y"}
  }
}
""".encode()


@settings(max_examples=examples(200))
@given(mutated([EDITOR], most=5))
def test_any_bytes_of_an_editors_file_are_read_or_explained(data):
    outcome = parse_mcp_servers(
        data.decode("utf-8", "replace"), file="s.json", environment={"A": "a"}, read_text=lambda _: "B=1"
    )
    found: tuple[Problem, ...] = (outcome.warnings if isinstance(outcome, Rendered) else outcome).items
    check(Problems(found), "s.json")
