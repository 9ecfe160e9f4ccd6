"""Who a caller is taken for."""

import pytest

from vmcp_proxy.auth.identity import ANONYMOUS, ANONYMOUS_WITH_AUTHORIZATION
from vmcp_proxy.auth.incoming import AnonymousAuthenticator, LocalAuthenticator, operating_system_user


@pytest.mark.parametrize("value", [None, b""])
async def test_a_caller_without_credentials_is_anonymous(value):
    assert await AnonymousAuthenticator().authenticate(value) is ANONYMOUS


async def test_an_anonymous_caller_with_credentials_is_another_one_and_they_are_not_kept():
    identity = await AnonymousAuthenticator().authenticate(b"Bearer canary")
    assert identity is ANONYMOUS_WITH_AUTHORIZATION
    assert identity != ANONYMOUS
    assert "canary" not in repr(identity)


async def test_in_local_mode_every_caller_is_the_user_of_this_machine():
    authenticator = LocalAuthenticator("ada")
    first = await authenticator.authenticate(None)
    assert (first.issuer, first.subject) == ("local", "ada")
    assert await authenticator.authenticate(b"Bearer x") == first
    assert not first.is_anonymous


@pytest.mark.parametrize("failure", [KeyError, OSError])
def test_a_user_without_a_name_is_named_by_number(monkeypatch, failure):
    def nameless():
        raise failure

    monkeypatch.setattr("getpass.getuser", nameless)
    monkeypatch.setattr("os.getuid", lambda: 10001)
    assert operating_system_user() == "uid-10001"
