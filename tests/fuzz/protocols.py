"""The readers of CMP, of HTTP's Basic, and of the header in which a gateway hands on a client certificate."""

import base64
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from enrollment.protocols.cmp import bodies as cmp_bodies
from enrollment.protocols.cmp import messages as cmp_messages
from enrollment.protocols.cmp.failures import Fault, NotCmp
from enrollment.protocols.est import bodies as est_bodies
from enrollment.protocols.est.bodies import Basic
from kernel.errors import Refused
from server.client_certificates import BY_PROXY, client_certificate
from tests.enrollment.protocols.cmp import writing
from tests.enrollment.protocols.cmp.writing import Draft, Request
from tests.fuzz import mutation, samples
from tests.fuzz.trial import Target, trusting_the_text

_KEY = samples.key_of_each_kind()[0]
_BASIC = (b"Basic ", b"basic", b"Bearer", b":", b"=", b"\x00", b"\xff", b"\t", b"Og==", "あ".encode())
_ESCAPED = (b"%", b"%0A", b"%00", b"%zz", b"-----BEGIN CERTIFICATE-----", b"\n", b"+", b"=", b" ", "あ".encode())


class NothingToRead(Exception):
    """The reader has no exception of its own for what is not there."""


@cache
def cmp_written() -> Sequence[bytes]:
    """Return CMP messages of every kind that a terminal sends, protected by a secret, by a signature, or by nothing."""
    request = Request(_KEY).written()
    status = writing.seq(writing.octets(bytes(32)), writing.number(0))
    named = writing.seq(writing.value(0x81, b"\x12\x34"), writing.tagged(3, x509.Name([]).public_bytes()))
    named_algorithm, sign = writing.signing(_KEY)
    drafts = (
        Draft(
            writing.IR,
            writing.seq(request),
            algorithm=writing.pbm(),
            protect=writing.by_pbm(b"secret"),
            sender_key=b"1234567890123",
        ),
        Draft(writing.P10CR, samples.requests()[0], algorithm=writing.pbmac1(), protect=writing.by_pbmac1(b"secret")),
        Draft(
            writing.KUR, writing.seq(request), algorithm=named_algorithm, protect=sign, certificates=(samples.certificates()[1],)
        ),
        Draft(writing.RR, writing.seq(writing.seq(named))),
        Draft(writing.CERT_CONF, writing.seq(status), recipient_nonce=bytes(16)),
        Draft(
            writing.GENM,
            writing.seq(writing.info("1.3.6.1.5.5.7.4.17")),
            general=(writing.info(writing.IMPLICIT_CONFIRM, writing.NULL),),
        ),
        Draft(writing.POLL_REQ, writing.seq(writing.seq(writing.number(0)))),
        Draft(writing.ERROR, writing.seq(writing.seq(writing.number(2)))),
    )
    return tuple(draft.written() for draft in drafts)


_BODIES: Mapping[int, Callable[[bytes], object]] = {
    writing.IR: cmp_bodies.certificate_request,
    writing.CR: cmp_bodies.certificate_request,
    writing.KUR: cmp_bodies.certificate_request,
    writing.P10CR: cmp_bodies.pkcs10_request,
    writing.RR: cmp_bodies.revocation,
    writing.CERT_CONF: cmp_bodies.confirmation,
    writing.POLL_REQ: cmp_bodies.polled_request,
    writing.GENM: cmp_bodies.questions,
    writing.ERROR: cmp_bodies.error,
}


def _cmp(content: bytes) -> object:
    """Read a message and then its body, as if nothing was said of its protection."""
    message = cmp_messages.read(content)
    return _BODIES[int(message.kind)](message.body)


def _basic(content: bytes) -> Basic:
    found = est_bodies.basic(content.decode("latin-1"))
    if found is None:
        raise NothingToRead
    return found


def _by_proxy(content: bytes) -> x509.Certificate:
    """Read a certificate as a gateway escaped it; what is none comes as octets, which whoever is presented with them refuses."""
    der = client_certificate({BY_PROXY: ("SUCCESS", content.decode("latin-1"))})
    try:
        return x509.load_der_x509_certificate(der or b"")
    except (ValueError, x509.InvalidVersion):
        raise NothingToRead from None


@cache
def _proxied() -> Sequence[bytes]:
    pem = (x509.load_der_x509_certificate(der).public_bytes(Encoding.PEM) for der in samples.certificates())
    return tuple(quote(one, safe="").encode() for one in pem)


TARGETS = (
    Target("CMP message", cmp_written, lambda: _cmp, (NotCmp, Fault, Refused)),
    Target(
        "HTTP Basic",
        lambda: [b"Basic " + base64.b64encode("端末:あ1-2-3".encode()), b"basic MToy"],
        lambda: _basic,
        (NothingToRead,),
        mutate=mutation.text(*_BASIC),
        planted=(trusting_the_text,),
    ),
    Target(
        "certificate by a gateway",
        _proxied,
        lambda: _by_proxy,
        (NothingToRead,),
        mutate=mutation.text(*_ESCAPED),
        planted=(trusting_the_text,),
    ),
)
