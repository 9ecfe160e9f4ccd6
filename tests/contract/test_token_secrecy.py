"""Where tokens of callers, tokens for backends and relayed headers must never stand, nor stay after the session."""

import base64
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.contract.test_secrecy import everything_logged, rendered, resource_status
from tests.proxy.auth.oidc.helpers import challenge_of
from tests.proxy.cli.commands import as_yaml, endpoint
from tests.proxy.endpoint.test_redis_layouts import secret
from tests.proxy.sessions.reachable import paths_to, remembered
from tests.support import heap
from tests.support.idp import Idp, Key
from tests.support.otlp import OtlpReceiver
from tests.support.raw_client import eventually, initialize
from tests.support.redis_server import Monitor, RedisServer
from tests.support.redis_server import running as redis_running
from tests.support.scene import Scene
from tests.support.scripted_backend import ScriptedBackend, Status
from tests.support.serving import running
from vmcp_api.render import encode_config
from vmcp_api.spec.telemetry import Telemetry
from vmcp_proxy.run.loading import Loaded
from vmcp_proxy.run.settings import Settings

KEYS = {name: f"canary-{name}-8d41c6" for name in ("client", "header", "bearer")}
"""What the Secret holds: the client's secret at the providers, and what two backends are shown."""

RELAYED = "canary-relayed-8d41c6"
PASSED = "canary-passed-8d41c6"
STRANGE = Key("key-9", number=9)
CLAIM = "canary-claim-8d41c6"
POLICY = 'permit(principal, action, resource) unless { context has claim_email && context.claim_email == "x" };'


def ref(key):
    return {"name": "keys", "key": key}


def strategies(company, tool):
    """A backend for each way to authenticate to one."""
    at = {name: {"tokenUrl": idp.url("token"), **client()} for name, idp in (("company", company), ("tool", tool))}
    return {
        "own": {"type": "clientCredentials", "clientCredentials": at["company"]},
        "swap": {"type": "tokenExchange", "tokenExchange": {**at["company"], "audience": "swap"}},
        "assert": {
            "type": "identityAssertion",
            "identityAssertion": {**at["tool"], "audience": tool.issuer, "idp": at["company"]},
        },
        "inject": {
            "type": "headerInjection",
            "headerInjection": {"headerName": "X-Injected", "valueSecretRef": ref("header")},
        },
        "bearer": {"type": "bearerToken", "bearerToken": {"tokenSecretRef": ref("bearer")}},
        "relay": {
            "type": "relay",
            "relay": {"headers": ["Authorization", "X-Relayed", "Cookie"], "audience": "relay-backend"},
        },
    }


def client():
    return {"clientId": "proxy", "clientSecretRef": ref("client"), "insecureAllowHTTP": True}


def manifests(company, tool, backends, redis, collector):
    """An endpoint of which everything is written down, with a backend for each strategy."""
    provider = {"issuer": company.issuer, "introspectionUrl": company.url("introspect"), **client()}
    spec = {
        "incomingAuth": {
            "type": "oidc",
            "oidcConfigRef": {"name": "company", "audience": company.audience},
            "authzConfig": {"inline": {"policies": [POLICY]}},
        },
        "outgoingAuth": {"source": "inline", "backends": strategies(company, tool)},
        "passthroughHeaders": ["X-Api-Key"],
        "sessionStorage": {"provider": "redis", "address": redis.address},
        "config": {
            "operational": {"logLevel": "debug", "timeouts": {"list": "10s"}},
            "audit": {
                "enabled": True,
                "sink": "otlp",
                "otlp": {**collector.endpoint, "sensitiveHeaders": [{"name": "X-Key", "secretKeyRef": ref("client")}]},
                "includeRequestData": True,
                "includeResponseData": True,
            },
        },
    }
    documents = [*endpoint(**spec), secret("keys", **KEYS)]
    documents.append(document("MCPOIDCConfig", "company", {"type": "inline", "inline": provider}))
    for name, backend in backends.items():
        url = f"http://127.0.0.1:{backend.port}/mcp"
        entry = {"remoteUrl": url, "transport": "streamable-http", "groupRef": {"name": "g"}}
        documents.append(document("MCPServerEntry", name, entry))
    for each in documents:
        each["metadata"]["namespace"] = "default"
    return as_yaml(*documents)


def telemetry(collector):
    """Every request traced, metrics sent each second, and the collector shown a secret."""
    header = {"name": "X-Key", "secretKeyRef": ref("client")}
    written = {
        "otlp": {**collector.endpoint, "sensitiveHeaders": [header]},
        "tracing": {"enabled": True, "samplingRate": "1", "baggage": ["tenant"]},
        "metrics": {"enabled": True, "interval": 1},
    }
    return Telemetry.model_validate(written, by_alias=True, by_name=False)


def document(kind, name, spec):
    return {"apiVersion": "vmcp.dev/v1beta1", "kind": kind, "metadata": {"name": name}, "spec": spec}


async def tells_all(asked, _):
    """A provider that says in its error whatever it was sent."""
    heard = f"{asked.body.decode()} {asked.headers.get('authorization', b'').decode()}"
    body = json.dumps({"error": "invalid_grant", "error_description": heard, "error_uri": f"https://x.test/?{heard}"})
    await asked.status(400, body.encode(), "application/json", www_authenticate=f'Bearer error="{heard}"')


@dataclass
class Watched:
    """A whole proxy, the providers and backends around it, and all that others may see of it: `said`."""

    world: Scene
    company: Idp
    tool: Idp
    backends: dict[str, ScriptedBackend]
    manifests: str
    said: list[str] = field(default_factory=list)
    report: dict[str, Any] = field(default_factory=dict)

    async def use(self, token):
        """A user's session: lists, calls at every backend, and what is held meanwhile and not shown."""
        headers = {"authorization": f"Bearer {token}", "x_relayed": RELAYED, "cookie": RELAYED, "x_api_key": PASSED}
        async with self.world.session(**headers) as caller:
            self.said.append(json.dumps(await caller.result("tools/list")))
            for name in self.backends:
                answer = await caller.request("tools/call", {"name": f"{name}_echo", "arguments": {}})
                self.said.append(json.dumps(answer))
            self.said += [json.dumps(await self.world.status()), repr(self.world.inside.clients)]
            assert paths_to(token.encode(), self.world.proxy), "the search finds what is there"
            await caller.delete()

    async def refuse(self, token):
        """Somebody who is not let in."""
        async with self.world.client(authorization=f"Bearer {token}") as caller:
            answer = await caller.post(initialize())
            assert answer.status_code == 401
            assert challenge_of(answer)["error"] == "invalid_token"
            self.said.append(answer.text + str(answer.headers))

    async def ask(self):
        """The admin port."""
        self.report = await self.world.status()
        self.said += [json.dumps(self.report), await self.world.admin("/metrics"), await self.world.admin("/readyz")]

    def shown(self, backend, header):
        """The values of a header in the calls of one backend."""
        return {heard.headers.get(header) for heard in self.backends[backend].calls("tools/call")}

    @property
    def own_token(self):
        """The one that is the gateway's own, and may stay."""
        (header,) = self.shown("own", "authorization")
        return header.removeprefix("Bearer ")

    @property
    def tokens(self):
        """Every token that a provider has made, and the assertions that went from one to the other."""
        made = {*self.company.known, *self.tool.known}
        return made | {request.form["assertion"] for request in self.tool.requests() if "assertion" in request.form}


@contextlib.asynccontextmanager
async def watched(folder):
    """Runs it with a Redis, an audit file and everything logged; what they hold is in `said` in the end."""
    company = Idp(path="/company", clients={"proxy": KEYS["client"]})
    tool = Idp(path="/tool", clients={"proxy": KEYS["client"]}, trusts=[company])
    backends = {name: ScriptedBackend() for name in strategies(company, tool)}
    collector = OtlpReceiver()
    with redis_running(RedisServer(folder)) as redis, everything_logged() as log:
        async with contextlib.AsyncExitStack() as stack:
            for each in (company, tool, collector, *backends.values()):
                await stack.enter_async_context(each.running())
            text = manifests(company, tool, backends, redis, collector)
            found = rendered(text)
            config = found.config.model_copy(update={"telemetry": telemetry(collector)})
            loaded = Loaded(config, found.secrets)
            settings = Settings(port=0, admin_port=0, handles_signals=False)
            monitor = await stack.enter_async_context(Monitor(redis))
            proxy = await stack.enter_async_context(running(loaded, settings=settings))
            made = Watched(Scene(proxy, {}), company, tool, backends, text)
            made.said += [encode_config(config), repr(found), repr(loaded), str(found.warnings)]
            yield made
            heard = b"".join(await monitor.lines())
            await eventually(lambda: any("mcp_tool_call" in each for each in collector.texts))
            await eventually(lambda: "vmcp.tool.calls" in str(collector.metrics[-1:]))
            assert {each.headers["x-key"] for each in collector.asked} == {KEYS["client"].encode()}
    assert b"vmcp:session:" in heard
    assert {"tools/call inject_echo", "tools/call echo"} <= {each.name for each in collector.spans}
    made.said += [log.getvalue(), *collector.texts, heard.decode("latin-1")]


def forms_of(value):
    return value, base64.b64encode(value.encode()).decode(), value.encode().hex()


@pytest.mark.scenario("H-7", "I-6", "I-9", "I-10")
async def test_no_token_and_no_relayed_header_stands_anywhere_nor_is_in_memory_after_the_session(tmp_path):
    async with watched(tmp_path) as it:
        audiences = [it.company.audience, "relay-backend"]
        signed = it.company.mint("alice", aud=audiences, email=CLAIM)
        for token in (signed, it.company.opaque("bob", aud=audiences, email=CLAIM)):
            await it.use(token)
        assert {RELAYED} == it.shown("relay", "x-relayed") == it.shown("relay", "cookie")
        assert f"Bearer {signed}" in it.shown("relay", "authorization")
        assert {f"Bearer {KEYS['bearer']}"} == it.shown("bearer", "authorization")
        assert {KEYS["header"]} == it.shown("inject", "x-injected")
        assert {PASSED} == it.shown("own", "x-api-key")
        assert len(it.tool.requests()) == len(it.company.requests(grant="token-exchange")) // 2 == 2
        own = it.own_token

        for each in it.backends.values():
            each.handlers["tools/call"] = repeats_what_it_heard
        await it.use(it.company.mint("carol", aud=audiences))
        for each in (it.company, it.tool):
            each.acts |= {"token": tells_all, "introspect": tells_all}
        await it.use(it.company.mint("dave", aud=audiences))
        for token in (
            it.company.mint("eve", aud="other", email=CLAIM),
            it.company.mint("eve", key=STRANGE),
            f"{signed}x",
        ):
            await it.refuse(token)
        await it.ask()

        secrets = [*it.tokens, *KEYS.values(), RELAYED, PASSED, CLAIM]
        of_users = [each.encode() for each in (it.tokens - {own}) | {RELAYED, PASSED}]
        for each in (it.company, it.tool):
            each.server.asked.clear()
        await eventually(lambda: not paths_to(of_users, it.world.proxy))
        await eventually(lambda: not heap.held_with(*of_users))
        # The secrets of the endpoint, too: those that replace them do not reach what functions remember.
        assert not remembered(*of_users, *(each.encode() for each in KEYS.values()))
    it.said += [json.dumps(each, default=str) for each in await resource_status(it.manifests, it.report)]
    secrets += [each.rpartition(".")[2] for each in secrets if each.count(".") == 2]
    for number, place in enumerate(it.said):
        for each in secrets:
            assert not [form for form in forms_of(each) if form in place], (number, each[:40])


async def repeats_what_it_heard(call):
    raise Status(500, {"x-heard": call.heard.headers.get("authorization", "") + RELAYED})
