"""The config as text: what is encoded is decoded, stably."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from vmcp_api.config import Backend, Network, ProxyConfig, Transport, Withheld
from vmcp_api.config.proxy import VmcpConfig
from vmcp_api.manifests.problems import Problems
from vmcp_api.render import config_hash, decode_config, encode_config
from vmcp_api.spec.headers import HeaderForward
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_api.spec.operational import Operational, Timeouts

ANONYMOUS = IncomingAuth(type=IncomingAuthType.ANONYMOUS)
SECONDS = st.integers(min_value=1, max_value=3600 * 10**6).map(lambda micros: micros / 10**6)
NAMES = st.text("abc-.09_Z", min_size=1, max_size=63)

BACKENDS = st.builds(
    Backend,
    name=NAMES,
    kind=st.sampled_from(["MCPServer", "MCPServerEntry"]),
    transport=st.sampled_from(Transport),
    url=st.none() | st.just("http://mcp-a.ns.svc:8080/mcp"),
    network=st.sampled_from(Network),
    header_forward=st.builds(HeaderForward, add_plaintext_headers=st.dictionaries(st.just("X-A"), st.text())),
    command=st.lists(st.text(), max_size=3).map(tuple),
    env=st.dictionaries(NAMES, st.text(), max_size=3),
)


def proxy_config(**fields: Any) -> ProxyConfig:
    """Takes the required fields by their Python names, which ``builds`` would look for by alias."""
    return ProxyConfig(name="front", incoming_auth=ANONYMOUS, **fields)


CONFIGS = st.builds(
    proxy_config,
    passthrough_headers=st.lists(NAMES, max_size=4, unique=True).map(tuple),
    config=st.builds(
        VmcpConfig,
        operational=st.builds(
            Operational, timeouts=st.builds(Timeouts, default=SECONDS, per_workload=st.dictionaries(NAMES, SECONDS))
        ),
    ),
    backends=st.lists(BACKENDS, max_size=3).map(tuple),
    withheld=st.lists(
        st.builds(Withheld, name=NAMES, kind=st.just("MCPServer"), reason=st.just("R"), message=st.text(max_size=9)),
        max_size=2,
    ).map(tuple),
)


@settings(max_examples=examples(60))
@given(CONFIGS)
def test_a_config_survives_its_text_and_its_hash_is_stable(config):
    text = encode_config(config)
    again = decode_config(text, "config.json")
    assert isinstance(again, ProxyConfig), str(again)
    assert again == config
    assert encode_config(again) == text
    assert config_hash(again) == config_hash(config)


def test_the_text_always_names_the_contract_and_leaves_defaults_out():
    text = encode_config(ProxyConfig(name="a", incoming_auth=ANONYMOUS))
    assert text == '{"contract":1,"incomingAuth":{"type":"anonymous"},"name":"a"}'


def test_the_hash_follows_the_content():
    one = config_hash(ProxyConfig(name="a", incoming_auth=ANONYMOUS))
    other = config_hash(ProxyConfig(name="b", incoming_auth=ANONYMOUS))
    assert one != other
    assert len(one) == len(other) == 16


def test_the_hash_does_not_depend_on_the_order_of_mappings():
    def config(*names: str) -> ProxyConfig:
        env = dict.fromkeys(names, "x")
        backend = Backend(name="a", kind="MCPServer", transport=Transport.STDIO, env=env)
        return ProxyConfig(name="a", incoming_auth=ANONYMOUS, backends=(backend,))

    assert config_hash(config("A", "B")) == config_hash(config("B", "A"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "config.json:1: is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("[]", "must be a mapping"),
        ('{"contract": 2}', "contract: is of another contract than 1; run a proxy and an operator"),
        ('{"name": "a"}', "is of another contract"),
        ('{"contract": 1, "name": "a"}', "incomingAuth: is required"),
        (
            '{"contract": 1, "name": "a", "incomingAuth": {"type": "anonymous"}, "passthrough_headers": []}',
            "did you mean 'passthroughHeaders'?",
        ),
        ('{"contract": 1, "name": NaN, "incomingAuth": {"type": "anonymous"}}', "cannot say"),
    ],
)
def test_text_that_is_no_config_is_a_problem_with_its_file(text, said):
    problems = decode_config(text, "config.json")
    assert isinstance(problems, Problems)
    assert said in str(problems)
    assert str(problems).startswith("config.json:")


def test_documents_write_durations_with_a_unit():
    text = json.dumps(
        {
            "contract": 1,
            "name": "a",
            "incomingAuth": {"type": "anonymous"},
            "sessionManagement": {"ttl": 30},
        }
    )
    assert "sessionManagement.ttl: is no duration" in str(decode_config(text, "f"))
