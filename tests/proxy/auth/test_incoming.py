"""Who a caller is taken for."""

import pytest

from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_api.spec.incoming import IncomingAuth, IncomingAuthType
from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION, Identity
from vmcp_proxy.auth.incoming.anonymous import AnonymousAuthenticator
from vmcp_proxy.auth.incoming.authenticators import Authenticators
from vmcp_proxy.auth.incoming.local import LocalAuthenticator, operating_system_user


@pytest.mark.parametrize("value", [None, b""])
async def test_a_caller_without_credentials_is_anonymous(value):
    assert await AnonymousAuthenticator().authenticate(value, str) is ANONYMOUS


async def test_an_anonymous_caller_with_credentials_is_another_one_and_they_are_not_kept():
    identity = await AnonymousAuthenticator().authenticate(b"Bearer canary", str)
    assert identity is ANONYMOUS_WITH_AUTHORIZATION
    assert identity != ANONYMOUS
    assert "canary" not in repr(identity)


async def test_in_local_mode_every_caller_is_the_user_of_this_machine():
    authenticator = LocalAuthenticator("ada")
    first = await authenticator.authenticate(None, str)
    assert (first.issuer, first.subject) == ("local", "ada")
    assert await authenticator.authenticate(b"Bearer x", str) == first
    assert not first.is_anonymous


@pytest.mark.parametrize("failure", [KeyError, OSError])
def test_a_user_without_a_name_is_named_by_number(monkeypatch, failure):
    def nameless():
        raise failure

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 10001)
    assert operating_system_user() == "uid-10001"


def test_a_refreshed_token_is_the_same_callers():
    first = Identity("i", "ada", scopes=frozenset({"read"}), expires_at=1000.0)
    later = Identity("i", "ada", scopes=frozenset({"read", "write"}), expires_at=2000.0)
    assert first == later
    assert hash(first) == hash(later)


def test_nobody_vouches_for_how_long_an_anonymous_caller_is_let_in():
    assert ANONYMOUS.expires_at is None
    assert ANONYMOUS.scopes == frozenset()


def test_an_authenticator_is_kept_while_its_settings_are_the_same():
    kept = Authenticators(client=None, tasks=None)
    first = kept.authenticator_for(IncomingAuth(type=IncomingAuthType.ANONYMOUS))
    assert kept.authenticator_for(IncomingAuth(type=IncomingAuthType.ANONYMOUS)) is first
    local = kept.authenticator_for(IncomingAuth(type=IncomingAuthType.LOCAL))
    assert isinstance(local, LocalAuthenticator)
    assert kept.authenticator_for(IncomingAuth(type=IncomingAuthType.LOCAL)) is local


async def test_a_reload_keeps_the_authenticator_and_what_it_has_learned(monkeypatch):
    built, build = [], Authenticators._build

    def counting(self, settings, secret):
        built.append(settings.type.value)
        return build(self, settings, secret)

    monkeypatch.setattr(Authenticators, "_build", counting)
    async with scene({"one": ScriptedBackend()}) as world, world.session() as client:
        world.apply(passthroughHeaders=["X-Api-Key"])
        world.apply({})
        await client.result("ping")
        assert built == ["anonymous"]
        world.apply(incomingAuth={"type": "local"})
        assert built == ["anonymous", "local"]
