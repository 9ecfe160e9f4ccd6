"""Secrets in what programs say, in every form in which programs write them."""

import base64
import html
import json
import re
import shlex
from secrets import token_hex
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.proxy.sessions.reachable import remembered
from vmcp_proxy.backends.stdio.program import StdioCommand
from vmcp_proxy.observability.escapes import Unescaped
from vmcp_proxy.observability.masking import Masks


def escaping(characters, form):
    """Writes a text as JSON that escapes some more characters by their codes."""

    def write(text):
        written = json.dumps(text, ensure_ascii=False)
        inner = "".join(form.format(ord(each)) if each in characters else each for each in written[1:-1])
        return f'"{inner}"'

    return write


def of_dotnet(text):
    """As System.Text.Json has it."""
    units = text.replace("\\", "\\\\").encode("utf-16-be", "surrogatepass")
    codes = (int.from_bytes(units[at : at + 2]) for at in range(0, len(units), 2))
    plain = {code for code in range(0x20, 0x7F) if chr(code) not in "\"&'+<>`"}
    return '"' + "".join(chr(code) if code in plain else f"\\u{code:04X}" for code in codes) + '"'


SECRET = "s3cr\"et/\\ké+ p'<&>%=x"
FORMS = {
    "as it is": str,
    "JSON": json.dumps,
    "JSON with its characters": lambda text: json.dumps(text, ensure_ascii=False),
    "JSON that escapes slashes": lambda text: json.dumps(text).replace("/", "\\/"),
    "JSON within JSON": lambda text: json.dumps(json.dumps({"key": text})),
    "JSON bytes": lambda text: json.dumps({"a": [text]}).encode().decode(),
    "JSON of Go": escaping("<>&\u2028\u2029", "\\u{:04x}"),
    "JSON of Gson": escaping("<>&='\u2028\u2029", "\\u{:04x}"),
    "JSON of .NET": of_dotnet,
    "JSON of .NET within JSON": lambda text: json.dumps(f'the headers were {{"a":{of_dotnet(text)}}}'),
    "JSON of PHP": lambda text: escaping("<>&'", "\\u{:04X}")(text).replace("/", "\\/"),
    "JavaScript": lambda text: re.sub(r"[!-/:-@\[-`{-~]", lambda found: f"\\x{ord(found[0]):02x}", text),
    "Python": repr,
    "Python in a dict": lambda text: repr({"key": text}),
    "a shell": shlex.quote,
    "a URL's query": lambda text: f"https://h/?a={quote_plus(text)}&b=1",
    "a URL's path": quote,
    "a URL's path of Go": lambda text: quote(text, safe="$&+=:@"),
    "encodeURI": lambda text: quote(text, safe=";,/?:@&=+$!~*'()#"),
    "encodeURIComponent": lambda text: quote(text, safe="!'()*~"),
    "lower-case escapes": lambda text: re.sub("%..", lambda found: found[0].lower(), quote(text, safe="")),
    "HTML": html.escape,
    "HTML with decimal references": lambda text: html.escape(text).replace("&#x27;", "&#39;"),
    "HTML of Go": lambda text: html.escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "HTML of Mustache": lambda text: html.escape(text).replace("/", "&#x2F;").replace("=", "&#x3D;"),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    "basic authentication": lambda text: "Basic " + base64.b64encode(f"user:{text}".encode()).decode(),
    "basic authentication, other user": lambda text: base64.b64encode(f"users:{text}".encode()).decode(),
    "base64 before more": lambda text: base64.b64encode(f"u:{text}:more".encode()).decode(),
    "hexadecimal": lambda text: text.encode().hex(),
    "HEXADECIMAL": lambda text: text.encode().hex().upper(),
}


@pytest.mark.scenario("H-7")
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_a_secret_is_masked_in_every_form(form):
    said = f"error: {form(SECRET)} is wrong"
    shown = Masks([SECRET]).apply(said)
    assert "***" in shown
    assert shown.startswith("error: ")
    assert shown.endswith(" is wrong")
    # What is left at either end of a base64 text tells less than a byte.
    assert len(shown) <= len("error: https://h/?a= is wrong") + 40
    assert not any(part in shown for part in ("s3cr", "M2Ny", "zY3J", "c2N"))


@pytest.mark.scenario("H-7")
def test_where_forms_overlap_all_that_they_cover_is_masked():
    masks = Masks(["abcd", "cdefgh", "gh-gh-gh"])
    assert masks.apply_known("abcdefgh-gh-gh, abcdabcd, efgh") == "***, ***, efgh"
    assert Masks(["abab"]).apply_known("ababab, aab") == "***, aab"


@pytest.mark.scenario("H-7")
def test_what_stands_beside_a_secret_that_is_escaped_stays_as_it_was_written():
    said = r"\u0022k\u0022: \u0022s3\u002Bcr\u003d\u0022, &lt;s3&#43;cr&#x3D;&gt; %22s3%2Bcr%3D%22 s3%2Bcr \s3+cr"
    shown = r"\u0022k\u0022: \u0022***\u0022, &lt;***&gt; %22***%22 s3%2Bcr \s3+cr"
    assert Masks(["s3+cr="]).apply_known(said) == shown


@pytest.mark.scenario("H-7")
def test_a_secret_with_what_looks_like_an_escape_is_found_where_only_its_other_characters_are_escaped():
    masks = Masks([r"0/00\0"])
    assert masks.apply_known(r"| 0&#x2F;00\0 |") == "| *** |"
    assert masks.apply_known(r"| 0/00\\0 |") == "| *** |"


@pytest.mark.scenario("H-7")
def test_nothing_that_was_masked_is_remembered():
    secret = token_hex()
    for each in FORMS.values():
        Masks([secret]).apply(each(secret))
    assert not remembered(secret.encode())


@given(st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=6, max_size=40))
def test_no_form_of_any_secret_survives(secret):
    # What is left of a run of backslashes is too short to be looked for; as it is, it is masked.
    assume(len(Unescaped(secret).text) >= 4)
    masks = Masks([secret])
    for form in FORMS.values():
        assert form(secret).strip("\"'") not in masks.apply(f"| {form(secret)} |") or secret in "***"


@pytest.mark.scenario("H-7")
def test_each_line_of_a_long_secret_is_masked_and_short_values_are_left():
    masks = Masks(["-----BEGIN-----\nAAAABBBB\nCC\n", "on", ""])
    assert masks.apply("it said AAAABBBB, on and CC") == "it said ***, on and CC"


@pytest.mark.scenario("H-7")
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("GET https://me:pw1@host/x failed", "GET https://***@host/x failed"),
        ("Authorization: Bearer abcdef123.x-y", "Authorization: Bearer ***"),
        ("authorization: basic dXNlcjpwdw==", "authorization: basic ***"),
        (r"Authorization: Bearer abc\u002Bdef\u003D\u003d, x", "Authorization: Bearer ***, x"),
        ("GET /x?api_key=abc&page=2 404", "GET /x?api_key=***&page=2 404"),
        ("npm error 404 Not Found - GET https://registry.example/x", None),
        ("Missing required environment variable: API_KEY", None),
        ("token: expected a string", None),
    ],
)
def test_what_looks_like_a_credential_by_its_place_is_masked_and_the_rest_is_not(said, shown):
    assert Masks([]).apply(said) == (shown or said)


@pytest.mark.scenario("H-7")
def test_words_of_a_command_and_inherited_variables_are_secrets_where_their_names_say_so():
    args = (
        *("npx", "-y", "@scope/server", "--api-key", "canary-arg", "--token=canary-assigned", "--verbose"),
        *("--header", "Authorization: Bearer canary-header", "https://u:canary-url@host/mcp", "API_KEY=canary-env"),
        "plain-word",
    )
    base = {
        "HTTPS_PROXY": "http://user:canary%2Fproxy@proxy:3128",
        "UV_INDEX_INTERNAL_PASSWORD": "canary-index",
        "npm_config_//registry/:_authToken": "canary-npm",
        "NPM_CONFIG_REGISTRY": "https://registry.example/npm",
        "PATH": "/usr/bin",
    }
    command = StdioCommand(args, (("KEY", "canary-configured"), ("MODE", "fast")))
    masks = command.masks(base)
    said = " ".join((*args, *base.values(), "canary/proxy", "canary-configured"))
    assert "canary" not in masks.apply(said)
    kept = "npx -y @scope/server --verbose plain-word https://registry.example/npm /usr/bin"
    assert masks.apply(kept) == kept
    assert "canary" not in repr((command, masks))
