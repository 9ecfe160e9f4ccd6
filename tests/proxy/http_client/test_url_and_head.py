"""URLs that are accepted, and request heads that cannot smuggle."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmcp_proxy.http_client import HeaderBlock, InvalidUrl, Peer, TrustSetting, Url
from vmcp_proxy.http_client.head import encode_head

CANARY = "canary-6f1d"


@pytest.mark.parametrize(
    ("text", "origin", "target", "authority"),
    [
        ("http://Example.COM", ("http", "example.com", 80), b"/", b"example.com"),
        ("https://a.b:443/x?y=z", ("https", "a.b", 443), b"/x?y=z", b"a.b"),
        ("http://a_b-c:8080/%41/ä?q=é", ("http", "a_b-c", 8080), b"/%41/%C3%A4?q=%C3%A9", b"a_b-c:8080"),
        ("http://[::1]:81/", ("http", "::1", 81), b"/", b"[::1]:81"),
        ("http://[2001:DB8:0::1]", ("http", "2001:db8::1", 80), b"/", b"[2001:db8::1]"),
        ("https://bücher.example/a", ("https", "xn--bcher-kva.example", 443), b"/a", b"xn--bcher-kva.example"),
        ("http://a?b", ("http", "a", 80), b"/?b", b"a"),
        ("HTTP://a/", ("http", "a", 80), b"/", b"a"),
    ],
)
def test_a_url_is_read_into_origin_target_and_authority(text, origin, target, authority):
    url = Url.parse(text)
    assert (url.origin, url.target, url.authority) == (origin, target, authority)
    assert Url.parse(url.text) == url


@pytest.mark.parametrize(
    "text",
    [
        "", "a.b/c", "//a/b", "ftp://a/", "file:///etc/passwd", "http://", "http:///x", "http://:80/",
        "http://user@a/", "http://user:pw@a/", "http://@a/", "http://a/#f", "http://a/x#", "http://a:0/",
        "http://a:65536/", "http://a:b/", "http://a b/", "http://a/b c", "http://a\r\nX: y/", "http://a/\tb",
        "http://a\\@b/", "http://[::1", "http://[fe80::1%25eth0]/", "http://[1.2.3.4]/", "http://a..b/",
        "http://-a/", "http://%61/", "http://a,b/", "ht\ntp://a/", "http://a/\x00",
    ],
)  # fmt: skip
def test_a_url_that_readers_could_disagree_about_is_refused_without_being_repeated(text):
    with pytest.raises(InvalidUrl) as caught:
        Url.parse(text + CANARY if text.startswith("http://a/") else text)
    assert CANARY not in str(caught.value)


@given(st.text(max_size=40))
def test_any_text_is_a_url_or_a_refusal(text):
    for candidate in (text, f"http://{text}", f"http://a/{text}"):
        try:
            url = Url.parse(candidate)
        except InvalidUrl:
            continue
        head = encode_head(b"GET", url, (), None)
        assert head.count(b"\r\n") == 4
        assert head.count(b" ") == 4
        assert head.isascii()


@pytest.mark.parametrize(
    ("location", "result"),
    [
        ("/y", "http://a:81/y"),
        ("y?z", "http://a:81/b/y?z"),
        ("../y", "http://a:81/y"),
        ("?q", "http://a:81/b/c?q"),
        ("//a:81/y", "http://a:81/y"),
        ("http://other/y#frag", "http://other/y"),
        ("HTTP://A:81/y", "http://a:81/y"),
    ],
)
def test_a_location_is_joined_as_rfc_3986_says(location, result):
    assert Url.parse("http://a:81/b/c?d").join(location) == Url.parse(result)


@pytest.mark.parametrize("location", ["http://u:p@a:81/", "javascript:1", "http://a:81/\r\nX: y", "http://[x/"])
def test_a_location_that_is_no_usable_url_is_refused(location):
    with pytest.raises(InvalidUrl):
        Url.parse("http://a:81/b").join(location)


URL = Url.parse("http://a/b")


@pytest.mark.parametrize(
    ("method", "body", "length"),
    [(b"GET", None, b""), (b"DELETE", None, b""), (b"POST", None, b"Content-Length: 0\r\n"),
     (b"POST", b"", b"Content-Length: 0\r\n"), (b"POST", b"123", b"Content-Length: 3\r\n")],
)  # fmt: skip
@pytest.mark.parametrize("as_block", [False, True])
def test_a_head_is_request_line_host_length_and_fields(method, body, length, as_block):
    for headers, lines in ((((b"x", b"y"), (b"z", b"")), b"x: y\r\nz: \r\n"), ((), b"")):
        given_headers = HeaderBlock(headers) if as_block else headers
        own = b"Accept-Encoding: identity\r\n\r\n"
        expected = method + b" /b HTTP/1.1\r\nHost: a\r\n" + length + lines + own
        assert encode_head(method, URL, given_headers, body) == expected


@pytest.mark.parametrize("value", [b"a\rb", b"a\nb", b"a\r\nEvil: 1", b"\0", b"a\r\n\r\nGET /"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_a_value_that_would_smuggle_is_refused_naming_the_header_only(value, position):
    headers = [(b"x-a", b"1"), (b"x-b", b"2")]
    headers.insert(position, (b"x-token", CANARY.encode() + value))
    with pytest.raises(ValueError, match="x-token") as caught:
        encode_head(b"POST", URL, headers, b"")
    assert CANARY not in str(caught.value)


@pytest.mark.parametrize("name", [b"x-token", b"traceparent", b"Traceparent"])
@pytest.mark.parametrize("value", [b"00-ab-cd-00", b"00-ab-cd-00\r\nEvil: 1", b"ab\n", b"\0", b""])
def test_a_block_takes_a_field_more_under_the_same_rules(name, value):
    block, more = HeaderBlock(((b"x-a", b"1"),)), [(name, value)]
    if value.isascii() and not set(value) & set(b"\r\n\0"):
        assert (block + more).lines == b"x-a: 1\r\n%b: %b\r\n" % (name, value)
    else:
        with pytest.raises(ValueError, match=name.decode()):
            block + more
    assert block.lines == b"x-a: 1\r\n"


@pytest.mark.parametrize("name", [b"", b"a b", b"a:", b"a\r\nb", b"a\n", b"\n", b"\xc3\xa4", b"a\0", b"(x)"])
def test_a_name_that_is_no_token_is_refused(name):
    with pytest.raises(ValueError, match="not a token"):
        HeaderBlock(((b"x-a", b"1"), (name, b"2")))


@pytest.mark.parametrize(
    "name", [b"Host", b"content-LENGTH", b"Transfer-Encoding", b"connection", b"TE", b"Upgrade", b"expect"]
)
def test_a_field_of_the_framing_is_refused(name):
    with pytest.raises(ValueError, match="HTTP client alone"):
        HeaderBlock(((name, b"x"),))


@given(st.lists(st.tuples(st.binary(max_size=6), st.binary(max_size=6)), max_size=4))
def test_a_head_has_exactly_the_given_fields_or_is_refused(headers):
    try:
        head = encode_head(b"GET", URL, headers, None)
    except ValueError:
        return
    *lines, encoding = head.split(b"\r\n")[2:-2]
    assert encoding == b"Accept-Encoding: identity"
    assert [tuple(line.split(b": ", 1)) for line in lines] == headers


def test_reprs_hold_no_secret():
    trust = TrustSetting(CANARY, CANARY, CANARY)
    peer = Peer(Url.parse(f"https://a/b?key={CANARY}"), trust=trust)
    block = HeaderBlock(((b"authorization", CANARY.encode()),))
    assert CANARY not in f"{trust!r} {peer!r} {peer.url} {block!r} {peer.pool_key}"


def test_peers_share_a_pool_only_for_the_same_origin_trust_and_network():
    one = Peer(Url.parse("https://a/x"))
    assert one.pool_key == Peer(Url.parse("https://A:443/y")).pool_key
    assert hash(one) == hash(Peer(Url.parse("https://a/x")))
    others = {
        Peer(Url.parse("http://a:443/x")).pool_key,
        Peer(Url.parse("https://a/x"), trust=TrustSetting("ca")).pool_key,
        Peer(Url.parse("https://a/x"), trust=TrustSetting("", "c", "a")).pool_key,
        Peer(Url.parse("https://a/x"), trust=TrustSetting(None, "ca", "")).pool_key,
        Peer(Url.parse("https://a/x"), "private").pool_key,
        Peer(Url.parse("https://a:444/x")).pool_key,
    }
    assert len(others - {one.pool_key}) == 6


def test_a_client_certificate_needs_its_key():
    with pytest.raises(ValueError, match="come together"):
        TrustSetting(client_certificate="x")
