"""Every way to a certificate, for tests that ask them all the same: five take codes, four renew.

A way writes what a client would send, through a transport (a Flask app in this process, or a real connection), and reads the
answer into one form: the certificate, or how it was refused, in the protocol's own words.
"""

import base64
import http.client
import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache
from typing import Any
from urllib.parse import urlencode

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from flask import Flask

from enrollment.codes import Codes
from enrollment.mac_secrets import secret_of
from enrollment.protocols import retrieval, terminals
from enrollment.protocols.cmp import door as cmp
from enrollment.protocols.est import door as est
from enrollment.protocols.page import door as page
from enrollment.protocols.retrieval import RetrievalDoor
from enrollment.protocols.scep import door as scep
from enrollment.protocols.terminals import TerminalsDoor
from server.retrieval_lane import RetrievalLane
from tests.enrollment.protocols.cmp import reading, writing
from tests.enrollment.protocols.cmp.writing import (
    IMPLICIT_CONFIRM,
    IR,
    KUR,
    NULL,
    by_pbm,
    by_pbmac1,
    info,
    pbm,
    pbmac1,
    seq,
    signing,
)
from tests.support import lane, scep_client
from tests.support.clock import SettableClock
from tests.support.cmp import cmp_door_of, cmp_signer_of
from tests.support.house import SOURCE, House, Request, new_request
from tests.support.retrieval_page import page_of
from tests.support.scep_client import RENEWAL_REQ, Sealed, challenge_of, client_key, read_answer, self_signed, signed_by
from tests.support.scep_door import operations_of

PEER = "tests.peer"
# A request with this header comes to the retrieval door's lane first, as over plain HTTP.
IN_LANE = "tests.lane"
OK, TRY_AGAIN = 200, 503
# A certificate of this age is in the last weeks of its year.
AGE = timedelta(days=350)


@dataclass(frozen=True)
class Reply:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes


# Takes method, path with its query, headers, body and the client's address.
Transport = Callable[[str, str, Mapping[str, str], bytes, str], Reply]


class Outcome(StrEnum):
    """What a client makes of an answer."""

    GIVEN = "given"
    REFUSED = "refused"
    AWAY = "come again"
    BROKEN = "a fault of ours"


@dataclass(frozen=True)
class Told:
    """An answer as a client reads it; `words` are the protocol's own, `same` is what does not change from one to the next."""

    outcome: Outcome
    words: str
    reply: Reply
    certificate: bytes | None = None
    same: object = None


@dataclass(frozen=True)
class Holder:
    """A terminal with its key and its certificate (DER)."""

    terminal: str
    codes: Codes
    request: Request
    der: bytes

    @property
    def certificate(self) -> x509.Certificate:
        """The certificate."""
        return x509.load_der_x509_certificate(self.der)


@dataclass(frozen=True)
class World:
    """Where clients send to, and whose answers they trust."""

    send: Transport
    scep_authority: x509.Certificate
    cmp_signer: x509.Certificate


Retrieve = Callable[[World, Codes, Request, str], Told]
Renew = Callable[[World, Holder, Request], Told]


def rest(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """`POST /api/v1/retrievals`."""
    return _by_rest(world, codes, request, source, {})


def rest_in_lane(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """`POST /api/v1/retrievals` to a door with a lane."""
    return _by_rest(world, codes, request, source, {IN_LANE: "yes"})


def _by_rest(world: World, codes: Codes, request: Request, source: str, more: Mapping[str, str]) -> Told:
    body = json.dumps({**asdict(codes), "csr": request.pem.decode()}).encode()
    return _of_rest(world.send("POST", "/api/v1/retrievals", {"Content-Type": "application/json", **more}, body, source))


def enroll(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """EST's simpleenroll."""
    return _of_est(_by_est(world, "simpleenroll", codes, request, source))


def make_key(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """EST's serverkeygen, where the policy allows it; the certificate in its answer is not looked at."""
    reply = _by_est(world, "serverkeygen", codes, request, source)
    return Told(Outcome.GIVEN, "", reply) if reply.status == OK else _of_est(reply)


def _by_est(world: World, operation: str, codes: Codes, request: Request, source: str) -> Reply:
    basic = base64.b64encode(f"{codes.access_key}:{secret_of(codes).decode()}".encode()).decode()
    headers = {"Content-Type": "application/pkcs10", "Authorization": f"Basic {basic}"}
    return world.send("POST", f"/.well-known/est/{operation}", headers, _base64(request), source)


def form(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """Send the page's plain form."""
    body = urlencode({**asdict(codes), "csr": request.pem.decode()}).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    return _of_page(world.send("POST", "/retrieve/request?lang=en", headers, body, source))


def pkcs_req(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """SCEP's PKCSReq, signed by a key of RSA that is made for messages where the requested one is elliptic."""
    draft, key = _pkcs_req(world, codes, request)
    return _scep(world, draft, key, source)


def pkcs_req_by_get(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """Send the same in the address (RFC 8894 §4.3)."""
    draft, key = _pkcs_req(world, codes, request)
    message = urlencode({"operation": "PKIOperation", "message": base64.b64encode(draft.der()).decode()})
    return _of_scep(world, world.send("GET", f"/scep?{message}", {}, b"", source), key)


def _pkcs_req(world: World, codes: Codes, request: Request) -> tuple[scep_client.Draft, rsa.RSAPrivateKey]:
    key = request.key if isinstance(request.key, rsa.RSAPrivateKey) else client_key()
    asked = scep_client.request_of(request.key, challenge_of(codes))
    return signed_by(key, _self_signed(key), Sealed(asked, world.scep_authority).der()), key


def ir(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """CMP's ir under PasswordBasedMac."""
    return _cmp(world, _ir(codes, request, pbm(), by_pbm(secret_of(codes))), secret_of(codes), source)


def ir_by_pbmac1(world: World, codes: Codes, request: Request, source: str = SOURCE) -> Told:
    """CMP's ir under PBMAC1."""
    return _cmp(world, _ir(codes, request, pbmac1(), by_pbmac1(secret_of(codes))), secret_of(codes), source)


def _ir(codes: Codes, request: Request, algorithm: bytes, protect: writing.Protect) -> writing.Draft:
    return writing.Draft(
        IR,
        seq(writing.Request(request.key).written()),
        time=None,
        algorithm=algorithm,
        sender_key=codes.access_key.encode(),
        protect=protect,
        general=_IMPLICIT,
    )


def renew_by_rest(world: World, holder: Holder, request: Request) -> Told:
    """`POST /api/v1/renewals`."""
    body = json.dumps({"csr": request.pem.decode()}).encode()
    headers = {"Content-Type": "application/json", PEER: holder.der.hex()}
    return _of_rest(world.send("POST", "/api/v1/renewals", headers, body, SOURCE))


def reenroll(world: World, holder: Holder, request: Request) -> Told:
    """EST's simplereenroll."""
    headers = {"Content-Type": "application/pkcs10", PEER: holder.der.hex()}
    return _of_est(world.send("POST", "/.well-known/est/simplereenroll", headers, _base64(request), SOURCE))


def renewal_req(world: World, holder: Holder, request: Request) -> Told:
    """SCEP's RenewalReq: the holder's key is of RSA."""
    sealed = Sealed(scep_client.request_of(request.key), world.scep_authority)
    assert isinstance(holder.request.key, rsa.RSAPrivateKey)
    draft = signed_by(holder.request.key, holder.certificate, sealed.der(), RENEWAL_REQ)
    return _scep(world, draft, holder.request.key, SOURCE)


def kur(world: World, holder: Holder, request: Request) -> Told:
    """CMP's kur with implicit confirmation."""
    algorithm, sign = signing(holder.request.key)
    identifier = holder.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    draft = writing.Draft(
        KUR,
        seq(writing.Request(request.key).written()),
        time=None,
        sender=writing.directory(holder.certificate.subject),
        algorithm=algorithm,
        sender_key=identifier,
        protect=sign,
        general=_IMPLICIT,
        certificates=(holder.der,),
    )
    return _cmp(world, draft, b"", SOURCE)


RETRIEVALS: Mapping[str, Retrieve] = {"REST": rest, "EST": enroll, "SCEP": pkcs_req, "CMP": ir, "page": form}
# Other forms of the same, for who guesses.
OTHER_FORMS: Mapping[str, Retrieve] = {
    "EST serverkeygen": make_key,
    "SCEP by GET": pkcs_req_by_get,
    "CMP by PBMAC1": ir_by_pbmac1,
}
# The same route by another way through the door: its answers must be the same.
LANE = "REST in the lane"
LANES: Mapping[str, Retrieve] = {LANE: rest_in_lane}
RENEWALS: Mapping[str, Renew] = {"REST": renew_by_rest, "EST": reenroll, "SCEP": renewal_req, "CMP": kur}
_IMPLICIT = (info(IMPLICIT_CONFIRM, NULL),)


@dataclass(frozen=True)
class Doors:
    """A house's two doors as apps in this process, with all that is mounted in them."""

    retrieving: Flask
    asking: Flask
    world: World = field(init=False)
    authority: x509.Certificate
    signer: x509.Certificate
    lane: RetrievalLane

    def __post_init__(self) -> None:
        """Let clients send to them."""
        object.__setattr__(self, "world", World(self.send, self.authority, self.signer))

    def send(self, method: str, path: str, headers: Mapping[str, str], body: bytes, source: str) -> Reply:
        """Send to the terminals' door what has the header of a certificate, if only an empty one; else to the other one."""
        peer = headers.get(PEER)
        app = self.retrieving if peer is None else self.asking
        shown = {name: value for name, value in headers.items() if name not in (PEER, IN_LANE)}
        if IN_LANE in headers and (told := lane.ask(self.lane, method, path, shown, body, source)):
            return Reply(*told)
        environment: dict[str, Any] = {"REMOTE_ADDR": source}
        if peer:
            environment[PEER] = bytes.fromhex(peer)
        answer = app.test_client().open(path, method=method, headers=shown, data=body, environ_base=environment)
        return Reply(answer.status_code, dict(answer.headers), answer.get_data())


def doors_of(house: House) -> Doors:
    """Open a house's doors; its database, authority and clock are theirs."""
    operations = operations_of(house)
    retrieving = retrieval.create_app(RetrievalDoor(house.redemption))
    est.mount(retrieving, est.EstDoor(house.redemption))
    page.mount(retrieving, page_of(house, "https://localhost:8444"))
    scep.mount(retrieving, scep.ScepDoor(operations))
    cmp.mount(retrieving, cmp_door_of(house))
    asking = terminals.create_app(TerminalsDoor(house.logon, _peer, house.renewal, house.reissues, house.own_states))
    est.mount(asking, est.EstDoor(house.redemption, est.Renewing(house.renewal, _peer)))
    signer = x509.load_der_x509_certificate(cmp_signer_of(house).certificate)
    return Doors(retrieving, asking, operations.registration().certificate, signer, lane.lane_of(house.redemption))


def over_network(connect: Callable[[], http.client.HTTPConnection]) -> Transport:
    """Return what sends over a new connection each time."""

    def send(method: str, path: str, headers: Mapping[str, str], body: bytes, _source: str) -> Reply:
        with closing(connect()) as connection:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return Reply(answer.status, dict(answer.headers), answer.read())

    return send


def _peer(environ: Mapping[str, Any]) -> bytes | None:
    certificate: bytes | None = environ.get(PEER)
    return certificate


@cache
def _self_signed(key: rsa.RSAPrivateKey) -> x509.Certificate:
    return self_signed(key)


def _base64(request: Request) -> bytes:
    return base64.b64encode(x509.load_pem_x509_csr(request.pem).public_bytes(Encoding.DER))


def _refused(reply: Reply, words: str) -> Told:
    outcome = {TRY_AGAIN: Outcome.AWAY, 500: Outcome.BROKEN}.get(reply.status, Outcome.REFUSED)
    fixed = {name: value for name, value in reply.headers.items() if name not in {"Date", "Content-Length"}}
    return Told(outcome, words, reply, same=(reply.status, fixed, reply.body))


def _of_rest(reply: Reply) -> Told:
    answer = json.loads(reply.body)
    if reply.status not in (200, 201):
        return _refused(reply, answer["code"])
    certificate = x509.load_pem_x509_certificate(answer["certificate"].encode())
    return Told(Outcome.GIVEN, "", reply, certificate.public_bytes(Encoding.DER))


def _of_est(reply: Reply) -> Told:
    if reply.status != 200:
        return _refused(reply, reply.body.decode().splitlines()[-1])
    [certificate] = pkcs7.load_der_pkcs7_certificates(base64.b64decode(reply.body))
    return Told(Outcome.GIVEN, "", reply, certificate.public_bytes(Encoding.DER))


def _of_page(reply: Reply) -> Told:
    text = reply.body.decode()
    found = re.search(r'base64,([^"]+)" download="[0-9]{5}[A-Z]\.pem"', text)
    if reply.status == 200 and found:
        certificate = x509.load_pem_x509_certificate(base64.b64decode(found[1]))
        return Told(Outcome.GIVEN, "", reply, certificate.public_bytes(Encoding.DER))
    # The first paragraph of a notice on the form, or below the headline of a page that has no form.
    sentence = re.search(r'(?:role="alert">\s*<h2>[^<]*</h2>|</h1>)\s*<p>(.*?)</p>', text)
    return _refused(reply, sentence[1] if sentence else text)


def _scep(world: World, draft: scep_client.Draft, key: rsa.RSAPrivateKey, source: str) -> Told:
    headers = {"Content-Type": "application/x-pki-message"}
    return _of_scep(world, world.send("POST", "/scep?operation=PKIOperation", headers, draft.der(), source), key)


def _of_scep(world: World, reply: Reply, key: rsa.RSAPrivateKey) -> Told:
    if reply.status != 200:
        return _refused(reply, reply.body.decode())
    told = read_answer(reply.body, world.scep_authority, key)
    if told.certificates:
        return Told(Outcome.GIVEN, "", reply, told.certificates[0].public_bytes(Encoding.DER))
    said = {name: value for name, value in told.attributes.items() if name != scep_client.SENDER_NONCE}
    said.pop(scep_client.MESSAGE_DIGEST), said.pop(scep_client.SIGNING_TIME, None)
    return Told(Outcome.REFUSED, f"{told.fail_info} {told.text}", reply, same=(said, len(reply.body)))


def _cmp(world: World, draft: writing.Draft, secret: bytes, source: str) -> Told:
    reply = world.send("POST", "/.well-known/cmp", {"Content-Type": "application/pkixcmp"}, draft.written(), source)
    if reply.status != 200:
        return _refused(reply, str(reply.status))
    answer = reading.read(reply.body, secret, world.cmp_signer)
    status = int(answer.status["status"])
    if status in (0, 1):
        return Told(Outcome.GIVEN, "", reply, answer.certificate.public_bytes(Encoding.DER))
    words = f"{answer.fail_info}: {' '.join(answer.texts)}"
    outcomes = {"systemUnavail": Outcome.AWAY, "systemFailure": Outcome.BROKEN}
    outcome = Outcome.AWAY if status == 3 else outcomes.get(str(answer.fail_info), Outcome.REFUSED)
    return Told(outcome, words, reply, same=(answer.body, answer.protection, status, words))


def certified(house: House, clock: SettableClock, by_rsa: Sequence[bool]) -> list[Holder]:
    """Return terminals whose certificates can be renewed today, the key of each of RSA or elliptic."""
    clock.advance(-AGE)
    try:
        return [_certified(house, is_rsa=is_rsa) for is_rsa in by_rsa]
    finally:
        clock.advance(AGE)


def _certified(house: House, *, is_rsa: bool) -> Holder:
    [(terminal, codes)] = house.new_codes()
    request = new_request(rsa.generate_private_key(65537, 2048) if is_rsa else None)
    return Holder(terminal, codes, request, house.redemption.redeem(codes, request.pem, SOURCE).certificate.der or b"")
