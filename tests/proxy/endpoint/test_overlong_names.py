"""A name or URI that no list can hold is looked for nowhere, and answered as what does not exist."""

import pytest

from tests.proxy.endpoint.helpers import QUIET
from tests.support.scene import scene
from tests.support.scripted_backend import ScriptedBackend
from vmcp_proxy.core.calls import resolver
from vmcp_proxy.core.catalog.uri_template import LONGEST_NAME

METHODS = [("resources/read", "uri"), ("resources/subscribe", "uri"), ("tools/call", "name"), ("prompts/get", "name")]
PUBLIC = 'permit(principal, action, resource) when { resource.name like "file:///a*" };'


@pytest.mark.parametrize("rules", [None, {"policies": [PUBLIC]}])
@pytest.mark.parametrize(("method", "member"), METHODS)
async def test_what_is_longer_than_any_name_of_a_list_is_answered_as_unknown_and_not_looked_for(
    monkeypatch, rules, method, member
):
    looked = []
    find = resolver.find_owner

    def watched(catalog, handed_out_by, operation):
        looked.append(len(operation.name))
        return find(catalog, handed_out_by, operation)

    backend = ScriptedBackend(resources=[{"uri": "file:///a", "name": "a"}])
    more = {} if rules is None else {"authorization": rules}
    async with scene({"one": backend}, config=QUIET, **more) as world, world.session() as client:
        monkeypatch.setattr(resolver, "find_owner", watched)
        answers = []
        for name in ("file:///no", "file:///" + "%25" * LONGEST_NAME):
            looked.clear()
            body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": {member: name}}
            answer = await client.post(body)
            answers.append((answer.status_code, answer.json().get("error", {}).get("code")))
        # For the audit alone what bears the name is asked of what is known anyway.
        assert len(looked) <= (0 if rules is None else 1)
        assert not backend.calls(method)[1:]
    if rules is not None:
        assert answers[0] == answers[1] == (200, 403)
    else:
        assert answers[1][1] in (-32602, -32002)
