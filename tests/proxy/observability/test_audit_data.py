"""Content of messages for the audit: without secrets, of a bounded size, and JSON whatever is cut."""

import json
import random

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.observability.audit.data import SLACK, clip
from vmcp_proxy.observability.audit.line import Excerpt, HeaderValues
from vmcp_proxy.observability.audit.secrets import hides
from vmcp_proxy.observability.masking import Masks

pytestmark = pytest.mark.scenario("O-1", "H-7")

KEPT = "kept-3fa1"
SECRET = "s3cr3t-9b2e"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJlLW9mLWl0"


def shown(value, most=4096):
    text = value if isinstance(value, str) else json.dumps(value)
    written, was_cut = clip(text, most, hides(Masks([SECRET + "-own"]), ["header-" + SECRET]), is_whole=True)
    assert not was_cut
    return json.loads(written)


@pytest.mark.parametrize(
    "value",
    [
        {"password": SECRET, "n": KEPT},
        {"nested": [{"deep": {"X-Api-Key": SECRET}}], "n": KEPT},
        {"credentials": {"user": SECRET, "list": [SECRET, {"a": SECRET}]}, "n": KEPT},
        {"access_token": 123456, "SessionId": [SECRET], "n": KEPT},
        {"content": [{"type": "text", "text": json.dumps({"secret": SECRET, "n": KEPT})}]},
        {"text": json.dumps({"text": json.dumps({"n": KEPT, "Client-Secret": SECRET})})},
        {"text": f"found {KEPT}: " + json.dumps({"apiKey": SECRET})},
        {"text": json.dumps(f"found {KEPT}: " + json.dumps({"apiKey": SECRET}))},
        {"text": f"{KEPT}\npassword: {SECRET}\nuser: a"},
        {"text": f"{KEPT} https://me:{SECRET}@host/ and Authorization: Basic {SECRET}, Cookie: a={SECRET}; b={SECRET}"},
        {"text": f"{KEPT} {JWT} ", "u": f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END RSA PRIVATE KEY-----"},
        {"text": f"{KEPT} {SECRET}-own and header-{SECRET}"},
        {f"Bearer {SECRET}": KEPT},
        {"headers": [{"name": "X-Api-Key", "value": SECRET}, {"name": "n", "value": KEPT}]},
        {"env": [{"value": SECRET, "enabled": True, "key": "DB_PASSWORD"}, {"value": KEPT, "key": "N"}]},
        {"fields": [{"Label": "secret", "Values": [SECRET, {"a": SECRET}]}], "n": KEPT},
        f'"{KEPT} token={SECRET}"',
        f'[ "{KEPT}" , {{ "p\\u0061ssword" : "{SECRET}" }} ]',
    ],
)
def test_secrets_are_masked_by_name_by_look_and_by_value_however_deep(value):
    found = json.dumps(shown(value))
    assert KEPT in found
    assert SECRET not in found
    assert "eyJhbGci" not in found
    assert "***" in found


def encoded(value, times):
    for _ in range(times):
        value = json.dumps(value)
    return value


@pytest.mark.parametrize(
    "text",
    [
        f'Result: {{"password": "a\\"{SECRET} tail", "n": "{KEPT}"}} end',
        f'config: {{"passwords": ["a]b", "{SECRET}"], "n": "{KEPT}"}}',
        f'config: {{"token": {{"value": "{SECRET}", "more": [{{"b": "{SECRET}"}}]}}, "n": "{KEPT}"}}',
        f'{KEPT} {{"token": ["{SECRET}", "x',
        f"{{'password': b'{SECRET}', 'n': '{KEPT}'}}",
        f"Got {{'secret': ['{SECRET}', 'x'], 'n': '{KEPT}'}}",
        f"password=SecretStr('{SECRET}') n={KEPT}",
        f"token=['a', '{SECRET}'] secret=b'{SECRET}' token: Bearer {SECRET} n={KEPT}",
        f"password: |\n  {SECRET}\n\n    {SECRET}\nn: {KEPT}",
        f"a:\n  password: >-\n    {SECRET}\n  n: {KEPT}",
        f'{{"a":1}}\n{{"token":["{SECRET}"]}}\n{{"n":"{KEPT}"}}',
        f'{{"a":1}}\n{{"token":{{"v":"{SECRET}"}}}}\n{{"n":"{KEPT}"}}',
        f'Authorization: Digest username="bob", response="{SECRET}"\n{KEPT}',
        f"pwd={SECRET} auth: {SECRET} jwt: {SECRET} otp={SECRET} {KEPT}",
        f"passphrase: correct horse {SECRET} it's\n{KEPT}",
        f"PASSWORD=correct {SECRET}, {KEPT}",
        f"password: correct {SECRET} user: {KEPT}",
        f'found {{"name": "password", "value": "{SECRET}"}}, {KEPT}',
        f"{{'key': 'api_key', 'val': '{SECRET}'}} {KEPT}",
        f"<password>{SECRET}</password><n>{KEPT}</n>",
        f"<a><db.password type='x'><![CDATA[{SECRET} <b>]]></db.password><n>{KEPT}</n></a>",
        f"<Token><value>{SECRET}</value><value>{SECRET}</value></Token> {KEPT}",
        f'<string name="api_key">{SECRET}</string><string name="n">{KEPT}</string>',
        f'<add key="password" value="{SECRET}"/><add key="n" value="{KEPT}"/>',
        f'<server user="a" password="{SECRET}" n="{KEPT}"/>',
        f'<input type="password" value="{SECRET}"><p>{KEPT}</p>',
        *(encoded({"password": f"a {SECRET}", "token": [SECRET], "n": KEPT}, times) for times in range(1, 6)),
        f"said {KEPT}: " + encoded({"tokens": [SECRET, SECRET], "n": 1}, 3),
    ],
)
def test_a_secret_within_prose_is_masked_to_its_end_and_no_further(text):
    found = json.dumps(shown({"text": text}))
    assert KEPT in found
    assert SECRET not in found


def test_values_of_headers_are_masked_where_a_program_has_escaped_a_part_of_them():
    hide = hides(Masks(()), ["value+of/a=header"])
    said = {"text": r'it got {"x": "value\u002Bof/a\u003Dheader"}, a=value%2Bof%2fa%3dheader, value+of&#x2F;a=header'}
    written, _ = clip(json.dumps(said), 4096, hide, is_whole=True)
    assert json.loads(written) == {"text": 'it got {"x": "***"}, a=***, ***'}


@pytest.mark.parametrize("name", ["pwd", "auth", "jwt", "otp", "user_auth"])
def test_short_names_of_secrets_count_where_they_are_the_name(name):
    assert shown({name: SECRET}) == {name: "***"}
    harmless = {"author": "a", "pwdx": "b", "path": f"/{name}/x", "said": f"the {name} of it"}
    assert shown(harmless) == harmless


@pytest.mark.parametrize(
    "name", ["progressToken", "progress_token", "max_tokens", "totalTokens", "token_count", "tokenizer"]
)
def test_names_that_only_sound_like_a_secrets_are_none(name):
    value = {name: 7, "_meta": {name: "abc"}, "text": f"{name}: 5, {name}=6 and <{name} a='1'/>"}
    assert shown(value) == value
    # Part of a longer name they say nothing.
    assert shown({f"x{name}secret": 7}) == {f"x{name}secret": "***"}


@pytest.mark.parametrize(
    "value", [{"value": 5, "name": "token"}, {"value": "", "name": "token"}, {"value": "ab", "name": "token"}]
)
def test_a_value_that_stands_before_its_name_is_masked_in_the_room_that_it_has(value):
    length = len(json.dumps(value).replace(" ", ""))
    written, was_cut = clip(json.dumps(value), length, hides(), is_whole=True)
    assert not was_cut
    assert len(written) <= length
    assert json.loads(written) != value or value["value"] == ""


def test_a_name_that_closes_nothing_is_no_element():
    text = f"if token > 5 then </password> {KEPT} <password/> {KEPT} <x> password > {KEPT}"
    assert shown({"text": text}) == {"text": text}


HOSTILE = [
    "<token>",
    "<token a='",
    '<i name="token">',
    "<token><token/>",
    "password: a b ",
    "password=a\t",
    '"password","value":',
    '"token" , "val" ',
    "progressToken: ",
    "x" * 31 + "token",
    "<" * 64,
    "token ",
    "a-" * 200 + "auth:",
]


@pytest.mark.parametrize("part", HOSTILE)
def test_a_long_text_that_is_made_to_be_costly_is_hidden_in_a_time_that_grows_with_its_length(part):
    # A cost that grew with the square would take hours.
    assert hides()(part * ((256 << 10) // len(part)))


@pytest.mark.parametrize("part", ["token=[\n", "token={", 'pwd: "\\"', "token: |\n  a\n", 'token=\\"\\\\'])
def test_text_made_to_be_costly_is_hidden_in_a_time_that_grows_with_its_length(part):
    assert shown({"text": part * (12_000 // len(part))}, 1 << 20)


def test_what_is_no_secret_stays_as_it_was_written():
    text = '{"a": 1.0, "b":[true,null,-2e5], "c": "d\\u00e9\\ud83d", "has_token": false, "d": "[not json"}'
    assert clip(text, 4096, hides(), is_whole=True) == (text.replace('": ', '":').replace(", ", ",").encode(), False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=10), inner, max_size=5),
    max_leaves=30,
)


@given(JSON, st.integers(8, 300), st.data())
def test_whatever_is_cut_is_json_within_its_bound(value, most, data):
    text = json.dumps(value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1])))
    end = data.draw(st.integers(1, len(text)))
    found = clip(text[:end], most, hides(), is_whole=end == len(text))
    if found is None:
        assert end < len(text)
        return
    written, was_cut = found
    assert len(written) <= most
    if written:
        json.loads(written)
    if end == len(text) and not was_cut and b"***" not in written:
        assert json.loads(written) == json.loads(text)
    assert was_cut or end == len(text) or written == text[:end].encode()


@pytest.mark.parametrize("make", ["text", "secret", "list", "escapes"])
def test_the_beginning_of_something_huge_costs_little_and_shows_no_part_of_a_secret(make):
    whole = {
        "text": json.dumps({"a": "x" * (1 << 20)}),
        "secret": json.dumps({"a": "x" * 3000 + " token=" + "t0ps3cr3t" * 100_000}),
        "list": json.dumps([{"n": number, "password": SECRET} for number in range(100_000)]),
        "escapes": json.dumps({"a": '\\"' * 500_000}),
    }[make]
    written, was_cut = clip(whole[: 4096 + SLACK], 4096, hides(), is_whole=False)
    assert was_cut
    assert 1000 < len(written) <= 4096
    json.loads(written)
    assert b"t0ps3cr3t" not in written
    assert SECRET.encode() not in written


def test_of_an_answer_of_any_size_only_the_beginning_is_copied():
    whole = memoryview(bytes(60 << 20))
    excerpt = Excerpt.of((b'{"id":1,"result":', whole, b"}"), 4096)
    assert (excerpt.size, len(excerpt.text)) == (len(whole) + 18, 4096 + SLACK)
    assert excerpt.text.startswith(b'{"id":1,"result":\0')
    for small in (b"{}", (b"{", b"}"), msgspec.Raw(b"{}")):
        assert Excerpt.of(small, 1) == Excerpt(b"{}", 2)


def test_texts_that_only_look_like_json_are_texts():
    chance = random.Random(3)
    for _ in range(300):
        noise = "".join(chance.choice('{}[]",:\\ab1 ') for _ in range(chance.randrange(40)))
        assert isinstance(shown({"t": noise})["t"], str)
    for broken in ("[1,]", '{"a" 1}', '{"a":1,}', "[1 2]", '{"a":}', "{1:2}", "tru", "01", "[1]]", "", "]"):
        assert clip(broken, 4096, hides(), is_whole=True) is None or broken == "[1]]"


@given(
    st.text("ab -", max_size=24),
    st.lists(st.binary(max_size=24).map(lambda raw: bytes(b"ab -"[each % 4] for each in raw)), max_size=6),
)
def test_values_that_are_longer_than_a_text_are_in_no_place_of_it(text, values):
    shown = HeaderValues(tuple(values[::2]), tuple(values[1::2]))
    assert hides(values=shown.texts(len(text)))(text) == hides(values=shown.texts(None))(text)


@pytest.mark.parametrize(
    "text",
    [
        "jwt:[\n" * 250 + "'\\" * 3300,
        "token: [" + "'\\" * 24_556,
        "token: [\n" * 8000,
        ("token: [\n" * 200 + "x" * 4000) * 15,
        'token: ["' * 8000,
    ],
)
def test_brackets_and_quotes_that_nothing_closes_hide_what_follows_in_time_that_grows_with_it(text):
    hidden = hides()(f"{KEPT} {text} {SECRET}\n")
    assert KEPT in hidden
    assert SECRET not in hidden
