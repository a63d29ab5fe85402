"""What a visitor of the pages sends: the head of a request, a form.

Requests go through the portal as it stands before its views: the front, cookies, the guard, the form token, conditions.
"""

import hashlib
import io
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, quote_from_bytes

import flask
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from werkzeug.exceptions import HTTPException, NotAcceptable

from enrollment.id_notices import IdNotices
from enrollment.preparation import CodePreparation
from enrollment.protocols import json_bodies
from kernel import audit
from kernel.database import connect
from keys.codes import CodeHasher, Opener, Sealer
from registry.attachments.names import clean_name
from registry.letters import Letters
from registry.registration import Offices
from server.front import Front
from tests.fuzz import mutation
from tests.fuzz.trial import NotTaken, Read, Target
from tests.support.clock import MORNING, SettableClock
from tests.support.house import company, contract, office
from tests.support.schema import whole_schema
from tests.webui.conftest import open_doors
from webui import kept
from webui.accounts import Accounts, Door, network_of
from webui.bulletin import caching
from webui.csrf import FIELD, StaleForm
from webui.factors import Origin
from webui.passwords import Passwords
from webui.sessions import Sessions, Visit, visit

VISITOR, PROXY = "192.0.2.9", "127.0.0.1"
HOST = "https://portal.example.jp"
TOKEN = "t" * 43
FORM_TOKEN = hashlib.sha256(b"form " + TOKEN.encode()).hexdigest()
_OWN_ADDRESS = re.compile(r"/(?![/\\])[!-~]*")


@cache
def portal() -> flask.Flask:
    """Return a portal over a database without log-ins, as long as the process lives."""
    folder = Path(_kept_folder().name)
    database, clock = connect(f"sqlite:///{folder / 'portal.sqlite'}"), SettableClock()
    whole_schema().create_all(database.engine)
    Offices(database, clock).register(company(), office(), contract(), actor=audit.operator("test"))
    sealing = X25519PrivateKey.generate()
    preparation = CodePreparation(database, clock, CodeHasher(bytes(32)), Sealer(sealing.public_key()), Letters(HOST))
    accounts = Accounts(database, clock, Passwords(memory_kib=8, passes=1))
    app = open_doors(accounts, preparation, IdNotices(database, clock, Opener(sealing)), folder).portal
    surroundings = app.extensions["webui"]
    app.session_interface = strangers = _Strangers(database, clock, Door.PORTAL)
    app.extensions["webui"] = replace(surroundings, sessions=strangers)
    return app


class _Strangers(Sessions):
    """Visits without rows: whose a token is would be asked from the database, which takes longer than all else here."""

    def recognise(self, present: Visit) -> None:
        """Find nobody."""


@cache
def _kept_folder() -> TemporaryDirectory[str]:
    return TemporaryDirectory()


class Looked(NamedTuple):
    """What the portal made of a request before any view saw it."""

    environ: dict[str, Any]
    status: int
    location: str
    token: str
    form: dict[str, list[str]]
    files: tuple[tuple[str, bytes], ...]


def environ_of(content: bytes) -> dict[str, Any]:
    """Return a request as the server hands it on: names in capitals, values as Latin-1 (PEP 3333)."""
    head, _, body = content.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    method, _, target = line.partition(b" ")
    path, _, query = target.partition(b" ")[0].partition(b"?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method.decode("latin-1"),
        "PATH_INFO": re.sub(rb"%([0-9A-Fa-f]{2})", lambda found: bytes([int(found[1], 16)]), path).decode("latin-1"),
        "QUERY_STRING": query.decode("latin-1"),
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8443",
        "wsgi.url_scheme": "https",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "CONTENT_LENGTH": str(len(body)),
    }
    for one in fields:
        name, _, value = one.decode("latin-1").partition(":")
        name = name.strip().upper().replace("-", "_")
        key = name if name == "CONTENT_TYPE" else f"HTTP_{name}"
        environ[key] = f"{environ[key]},{value.strip()}" if key in environ else value.strip()
    environ["REMOTE_ADDR"] = PROXY if "HTTP_VIA" in environ else VISITOR
    return environ


def _viewed() -> flask.Response:
    """Do what a view does that carries a form along, and whose page may be kept."""
    kept.whole()
    kept.carried()
    return caching.kept("a page", modified=MORNING)


def _looking(environ: dict[str, Any]) -> Looked:
    """Let the portal do with a request what it does before and after a view, which only reads what was sent."""
    with portal().request_context(environ):
        early = portal().preprocess_request()
        request = flask.request
        if request.routing_exception is not None:
            raise request.routing_exception
        Origin.of(request.remote_addr, request.headers.get("User-Agent", ""))
        network_of(request.remote_addr)
        with suppress(NotAcceptable):
            json_bodies.accepted(request, "application/json", "application/pkix-cert")
        files = tuple((clean_name(file.filename or ""), file.read()) for file in request.files.values())
        response = flask.make_response(early) if early is not None else _viewed()
        made = portal().process_response(response)
        form = {name: request.form.getlist(name) for name in request.form}
        return Looked(environ, made.status_code, made.headers.get("Location", ""), visit().token, form, files)


def looked_at(content: bytes) -> Looked:
    """Send a request through the front, which believes one proxy, to the portal."""
    found: list[Looked] = []

    def app(environ: dict[str, Any], _start: Callable[..., Any]) -> list[bytes]:
        found.append(_looking(environ))
        return []

    Front(app, {}, (ip_network(f"{PROXY}/32"),))(environ_of(content), lambda *_: None)
    if not found:
        raise NotTaken  # a page of the front's own
    return found[0]


def nobody_else_is_believed(content: bytes, taken: Looked) -> None:
    """See whose words counted: addresses and schemes of the proxy alone; a token is well formed, a redirect stays here."""
    environ = taken.environ
    asked = environ_of(content)
    if asked["REMOTE_ADDR"] == VISITOR:
        assert (environ["REMOTE_ADDR"], environ["wsgi.url_scheme"]) == (VISITOR, "https")
    assert environ["wsgi.url_scheme"] in {"http", "https"}
    assert not {"HTTP_X_FORWARDED_FOR", "HTTP_X_FORWARDED_HOST", "HTTP_FORWARDED", "HTTP_X_SSL_CLIENT_CERT"} & environ.keys()
    assert len(network_of(environ["REMOTE_ADDR"])) <= len("ffff:ffff:ffff:ffff::/64")
    assert len(taken.token) == len(TOKEN)
    assert taken.token.isascii()
    assert not taken.location or _OWN_ADDRESS.fullmatch(taken.location), taken.location


def _believing_everybody(read: Read) -> Read:
    """Plant a fault: whoever says that a visitor comes from elsewhere is believed."""

    def careless(content: bytes) -> Looked:
        taken: Looked = read(content)
        said = environ_of(content).get("HTTP_X_FORWARDED_FOR")
        return taken._replace(environ={**taken.environ, "REMOTE_ADDR": said}) if said else taken

    return careless


_VISITS = (
    (
        b"GET /bulletin/notices?q=%E8%A8%BC%E6%98%8E&page=2&month=2026-11 HTTP/1.1\r\nHost: portal.example.jp\r\n"
        b"Cookie: __Host-tegata-portal="
        + TOKEN.encode()
        + b"; __Host-tegata-portal-language=en\r\nAccept: */*;q=0.8, application/json\r\n"
        b'If-None-Match: W/"abc", "def"\r\nUser-Agent: Mozilla/5.0 (Windows NT 10.0) Chrome/130\r\nVia: 1.1 proxy\r\n'
        b"X-Forwarded-For: 198.51.100.7, 127.0.0.1\r\nX-Forwarded-Proto: https\r\n\r\n"
    ),
    (
        b"GET /login?next=%2Fapplications%2F260001A HTTP/1.1\r\nHost: localhost:8443\r\nAccept-Language: ja,en;q=0.5\r\n"
        b"If-Modified-Since: Tue, 24 Nov 2026 01:00:00 GMT\r\nRange: bytes=0-9\r\nX-Forwarded-For: 203.0.113.5\r\n"
        b"Sec-Fetch-Site: same-origin\r\n\r\n"
    ),
)
_HEADS = (
    *(
        b"\r\n",
        b"\n",
        b"\x00",
        b"\xff",
        b"%00",
        b"%ff",
        b"%",
        b"?",
        b"&",
        b"=",
        b";",
        b",",
        b'"',
        b"//evil.example",
        b"\\",
        b"../",
    ),
    *(
        b"Host: a\r\n",
        b"Host: [\r\n",
        b"Host: a@b:99999\r\n",
        b"Cookie: =\r\n",
        b'Cookie: a="\\377\\400"\r\n',
        b"; __Host-tegata-portal=x",
    ),
    *(
        b"Accept: text/html;q=nan\r\n",
        b"Accept: ;;;=,\r\n",
        b"Accept: a/b;q=1e999\r\n",
        b"Range: bytes=-\r\n",
        b"Range: bytes=9-1,1-\r\n",
    ),
    *(b"If-None-Match: *\r\n", b'If-None-Match: "\r\n', b"If-Modified-Since: 99999999999999999999\r\n", b"If-Range: x\r\n"),
    *(
        b"If-Modified-Since: 1 Jan 99999 00:00 +9999\r\n",
        b"Content-Type: multipart/form-data\r\n",
        b"Content-Type: text/plain; charset=x\r\n",
    ),
    *(
        b"X-Forwarded-For: ::1%eth0\r\n",
        b"X-Forwarded-For: a" * 2,
        b"X-Forwarded-Proto: javascript\r\n",
        b"X-Forwarded-Host: evil\r\n",
    ),
    *(
        b"User-Agent: " + b"Chrome" * 500 + b"\r\n",
        b"GET ",
        b"POST ",
        b"DELETE ",
        b"/" * 2_000,
        b"next=//evil.example",
        b"page=99999999999",
    ),
)


def _form(content: bytes) -> Looked:
    """Send a form with the token of its visit; what the portal refuses before any view is not taken."""
    try:
        taken = looked_at(content)
    except StaleForm as refused:
        raise NotTaken from refused
    if taken.status >= 400:
        raise NotTaken
    return taken


def holds_what_was_sent(content: bytes, taken: Looked) -> None:
    """See that a form has its token, and texts that can be stored; compare plain forms with another reader's."""
    head, _, body = content.partition(b"\r\n\r\n")
    assert taken.form.get(FIELD, [""])[0] == FORM_TOKEN or not head.startswith(b"POST")
    for name, values in taken.form.items():
        for text in (name, *values):
            assert "\x00" not in text
            text.encode()
    for name, octets in taken.files:
        assert octets in body
        assert "/" not in name
    if taken.environ.get("CONTENT_TYPE") == "application/x-www-form-urlencoded" and body.isascii() and b"%" not in body:
        pairs = [(name, value) for name, values in taken.form.items() for value in values]
        assert sorted(pairs) == sorted(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=5_000))


def _without_a_token(read: Read) -> Read:
    """Plant a fault: forms of other sites are taken."""

    def careless(content: bytes) -> Looked:
        try:
            taken: Looked = read(content)
        except NotTaken:
            return Looked(environ_of(content), 200, "", TOKEN, {"user": ["hanako"]}, ())
        return taken

    return careless


def _forms() -> Sequence[bytes]:
    """Return a form as browsers send it, plain and with files."""
    head = b"POST %s HTTP/1.1\r\nHost: portal.example.jp\r\nCookie: __Host-tegata-portal=" + TOKEN.encode() + b"\r\n"
    fields = {FIELD: FORM_TOKEN, "office_code": "NAC001", "user": "花子", "next": "/applications", "kept.remark": "a\r\nb"}
    plain = "&".join(f"{name}={quote_from_bytes(value.encode(), safe='')}" for name, value in fields.items()).encode()
    parts = [
        f'--b\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()
    ]
    file = b'--b\r\nContent-Disposition: form-data; name="document"; filename="\xe7\x94\xb3.pdf"\r\n'
    file += b"Content-Type: application/pdf\r\n\r\n"
    return [
        head % b"/login" + b"Content-Type: application/x-www-form-urlencoded\r\n\r\n" + plain,
        head % b"/verify"
        + b'Content-Type: multipart/form-data; boundary="b"\r\n\r\n'
        + b"".join(parts)
        + file
        + b"%PDF-\r\n--b--\r\n",
    ]


_FIELDS = (
    *(
        b"&",
        b"=",
        b"%",
        b"%00",
        b"%FF",
        b"%ED%A0%80",
        b"+",
        b";",
        b"\x00",
        b"\xff",
        b"--b\r\n",
        b"--b--\r\n",
        b"\r\n\r\n",
        b'"',
        b"a=1&" * 200,
    ),
    *(
        b'Content-Disposition: form-data; name="x"\r\n',
        b"Content-Disposition: form-data; filename*=utf-8''%ff\r\n",
        b"; name*0=a",
    ),
    *(
        b"Content-Transfer-Encoding: base64\r\n",
        b"Content-Type: text/plain; charset=utf-7\r\n",
        b"Content-Length: 9\r\n",
        b"form_token=",
    ),
    *(
        b"; boundary=",
        b"; charset=utf-16",
        b"Sec-Fetch-Site: cross-site\r\n",
        b"kept.password=x&",
        b"X: " + b"y" * 9_000 + b"\r\n",
    ),
)

TARGETS = (
    Target(
        "head of a request",
        lambda: _VISITS,
        lambda: looked_at,
        (HTTPException, NotTaken),
        nobody_else_is_believed,
        mutation.text(*_HEADS),
        (_believing_everybody,),
        codes=range(300, 500),
    ),
    Target(
        "form",
        _forms,
        lambda: _form,
        (HTTPException, NotTaken),
        holds_what_was_sent,
        mutation.text(*_FIELDS),
        (_without_a_token,),
        codes=range(300, 500),
    ),
)
