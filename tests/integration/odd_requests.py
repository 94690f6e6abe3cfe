"""Hypothesis strategies for requests that are wrong, or right in an unusual way."""

from urllib.parse import quote_from_bytes

from hypothesis import strategies as st

_BASES = (
    "/",
    "/probe/",
    "/probe/state",
    "/probe/number/",
    "/api/atlas/cities/",
    "/api/atlas/countries/",
    "/admin/",
    "/admin/auth/user/",
    "/admin/r/1/",
    "/admin/jsi18n/",
    "/static/",
    "/static/admin/css/base.css",
    "/second/",
    "/second/who",
    "/local/",
    "/de/local/",
    "/docs",
    "/openapi.json",
    "/django/stream/",  # with DEBUG, Django itself answers 500 for a POST without the slash
    "/django/missing/",
    "/nobody/",
)
_PARAMETERS = (
    "next",
    "search",
    "continent",
    "country",
    "limit",
    "offset",
    "population__gte",
    "ordering",
    "cursor",
    "size",
    "page",
    "_changelist_filters",
)
_HEADERS = (
    "Cookie",
    "Accept",
    "Accept-Encoding",
    "Accept-Language",
    "Content-Type",
    "Host",
    "Content-Length",
    "Transfer-Encoding",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Proto",
    "X-Forwarded-Prefix",
    "Forwarded",
    "If-Modified-Since",
    "If-None-Match",
    "Authorization",
    "Range",
    "Origin",
    "Referer",
    "Upgrade",
    "Connection",
    "Expect",
    "Access-Control-Request-Method",
    "X-HTTP-Method-Override",
    "X-CSRFToken",
    "X_Forwarded_Proto",
    "Proxy",
)
_VALUES = (
    b"",
    b"0",
    b"-1",
    b"9" * 30,
    b"9" * 5000,
    b"a" * 3000,
    b"\x00",
    b"\xff\xfe",
    b"\xc3\xa4",
    b"%00",
    b"%ff",
    b"*/*;q=abc",
    b"text/html;q=1e400,application/json;q=-1",
    b"de;q=9,xx-" + b"y" * 600,
    b"application/json; charset=nonsense",
    b"application/json; charset=\x00",
    b"application/x-www-form-urlencoded; charset=utf-16",
    b"application/x-www-form-urlencoded; charset=nonsense",
    b"application/x-www-form-urlencoded; charset=idna",
    b"application/x-www-form-urlencoded; charset=rot13",
    b"multipart/form-data",
    b"multipart/form-data; boundary=",
    b"multipart/form-data; boundary=\xff",
    b"multipart/form-data; boundary=" + b"x" * 300,
    b"multipart/form-data; boundary=x; charset=nonsense",
    b"multipart/form-data; boundary=x; charset=hex",
    b"multipart/form-data; boundary=x; charset=idna",
    b"multipart/form-data; boundary*=utf-8''%ff",
    b"chunked",
    b"chunked, chunked",
    b"gzip, chunked",
    b"identity",
    b"websocket",
    b"upgrade",
    b"h2c",
    b"100-continue",
    b"close, \xff",
    b"Thu, 01 Jan 99999 00:00:00 GMT",
    b"Thu, 99 Jan 1970 00:00:00 GMT",
    b"Mon, 00 Foo 0000 99:99:99 GMT",
    b"bytes=0-",
    b"bytes=-1",
    b"bytes=99999999999999999999-1,abc",
    b"Basic \xff\xff",
    b"Basic " + b"=" * 9,
    b"Bearer " + b"." * 100,
    b"sessionid=" + b"x" * 500,
    b"sessionid=\x01\xff; csrftoken=\xff",
    b'a="\\777\\000"; =; ;;; b',
    b"django_language=../../etc; messages=W1tdXQ==",
    b"[::1",
    b"[::1]:99999",
    b"127.0.0.1:abc",
    b"127.0.0.1:99999999999",
    b"http://[",
    b"null",
    b"127.0.0.1, 127.0.0.1",
    b"GET\r\n folded",
)


def _without(unwanted: bytes, data: bytes) -> bytes:
    return bytes(byte for byte in data if byte not in unwanted)


_raw = st.binary(max_size=40).map(lambda data: _without(b" \r\n\t\x0b\x0c", data))
_encoded = st.binary(max_size=20).map(lambda data: quote_from_bytes(data, safe="").encode())
_odd_words = st.sampled_from(
    [
        b"%00",
        b"%2F%2f",
        b"..%2f..%2f",
        b"//",
        b"/../../",
        b"%",
        b"%zz",
        b"%ED%A0%80",
        b"%F0%9F%92%A9",
        b"%0d%0aX: y",
        b"9" * 30,
        b"9" * 5000,
        b"-1",
        b"1_0",
        b"%D9%A1",
        b"1e5",
        b"a" * 3000,
        b"a" * 9000,
        b"%61" * 2000,
        b";x=y",
        b"#fragment",
        b"\\",
        b"\x00",
        b"\xff",
        b"{x}",
    ]
)
_words = st.one_of(_raw, _encoded, _odd_words)
_values = st.one_of(st.sampled_from(_VALUES), st.binary(max_size=40).map(lambda data: _without(b"\r\n", data)))


@st.composite
def _queries(draw: st.DrawFn) -> bytes:
    pairs = draw(st.lists(st.tuples(st.sampled_from(_PARAMETERS), _words), max_size=3))
    named = b"&".join(name.encode() + b"=" + value for name, value in pairs)
    return named + draw(st.one_of(st.just(b""), _words))


@st.composite
def targets(draw: st.DrawFn) -> bytes:
    """A path that is odd, with a query string that may be."""
    base = draw(st.sampled_from(_BASES)).encode()
    path = base + b"".join(draw(st.lists(_words, max_size=2)))
    query = draw(st.one_of(st.just(b""), _queries()))
    return path + (b"?" + query if query else b"")


_header_names = st.one_of(
    st.sampled_from(_HEADERS).map(str.encode),
    st.binary(min_size=1, max_size=12).map(lambda data: _without(b"\r\n", data)),
)
header_lines = st.tuples(_header_names, _values).map(lambda header: b"%b: %b\r\n" % header)


def message(method: bytes, target: bytes, headers: bytes = b"", body: bytes = b"", host: bytes = b"127.0.0.1") -> bytes:
    """Return a request that is whole, whatever its parts are."""
    return b"%b %b HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n%b\r\n%b" % (method, target, host, headers, body)


odd_targets = targets().map(lambda target: message(b"GET", target))


@st.composite
def odd_headers(draw: st.DrawFn) -> bytes:
    """A request for a path that exists, with headers that are odd."""
    method = draw(st.sampled_from([b"GET", b"GET", b"GET", b"POST", b"OPTIONS", b"PUT", b"DELETE", b"FOO", b"get"]))
    target = draw(st.sampled_from(_BASES)).encode()
    headers = b"".join(draw(st.lists(header_lines, min_size=1, max_size=3)))
    return message(method, target, headers)


_multipart = (
    b"--x\r\n",
    b"--x--\r\n",
    b"--x",
    b'Content-Disposition: form-data; name="file"; filename="a"\r\n\r\n',
    b'Content-Disposition: form-data; name="file"\r\n\r\n',
    b"Content-Disposition: form-data; name*=nonsense''%ff; filename*=utf-8''%ff\r\n\r\n",
    b'Content-Disposition: form-data; name="file"; filename="../../\x00"\r\n\r\n',
    b'Content-Disposition: form-data; name="\xff"; filename="\xff"\r\n\r\n',
    b"Content-Disposition: \r\n\r\n",
    b"Content-Transfer-Encoding: base64\r\n",
    b"Content-Type: text/plain; charset=nonsense\r\n",
    b"Content-Type: \xff\r\n",
    b"Content-Length: abc\r\n",
    b"\r\n",
    b"data",
    b"_",
)
_bodies = st.one_of(
    st.binary(max_size=100),
    st.lists(st.one_of(st.sampled_from(_multipart), st.binary(max_size=20)), max_size=8).map(b"".join),
    st.sampled_from(
        [
            b"[" * 3000,
            b"[" + b"9" * 5000 + b"]",
            b"[1e400, NaN, Infinity]",
            b'["\\ud800"]',
            b"[1,2,3]",
            b'{"a": "\x00"}',
            b"\xef\xbb\xbf[1]",
            "[1]".encode("utf-16"),
            b"username=%00&password=%ff&csrfmiddlewaretoken=" + b"a" * 64,
            b"username=" + b"a" * 5000 + b"&password=\x00",
            b"&" * 2000,
            b"a=%ff&%00=%00&=&&;",
        ]
    ),
)
_content_types = st.one_of(
    st.sampled_from(
        [
            b"application/json",
            b"application/x-www-form-urlencoded",
            b"multipart/form-data; boundary=x",
            b"multipart/form-data; boundary=x",
            b"multipart/form-data; boundary=x",
        ]
    ),
    st.sampled_from([value for value in _VALUES if b"/" in value or not value]),
    st.binary(max_size=20).map(lambda data: _without(b"\r\n", data)),
)
_TAKE_BODIES = ("/probe/json", "/probe/upload", "/probe/echo", "/django/upload/", "/admin/login/", "/probe/shared", "/")
_TOKEN = b"a" * 32


@st.composite
def odd_bodies(draw: st.DrawFn) -> bytes:
    """A POST of a whole body that is odd, or not of the type it says."""
    target = draw(st.sampled_from(_TAKE_BODIES)).encode()
    body = draw(_bodies)
    headers = b"Content-Type: %b\r\nContent-Length: %d\r\nCookie: csrftoken=%b\r\nX-CSRFToken: %b\r\n"
    return message(b"POST", target, headers % (draw(_content_types), len(body), _TOKEN, _TOKEN), body)


@st.composite
def odd_lines(draw: st.DrawFn) -> bytes:
    """Bytes that are hardly HTTP."""
    start = draw(st.one_of(st.binary(max_size=50), targets().map(lambda target: b"GET " + target)))
    version = draw(st.sampled_from([b" HTTP/1.1", b" HTTP/1.0", b" HTTP/0.9", b" HTTP/9.9", b" HTTP/1.", b"", b" ICY"]))
    end = draw(st.sampled_from([b"\r\n\r\n", b"\n\n", b"\r\r", b"\r\n\r\n\r\n", b"\r\n: x\r\n\r\n", b"\r\n x\r\n\r\n"]))
    return start + version + end
