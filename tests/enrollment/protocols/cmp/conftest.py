"""A house whose retrieval door speaks CMP, and terminals with codes or with certificates that can be renewed."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from enrollment.codes import Codes
from enrollment.mac_secrets import secret_of
from enrollment.protocols.cmp.door import MEDIA_TYPE, mount
from enrollment.protocols.retrieval import RetrievalDoor, create_app
from kernel.database import connect
from tests.enrollment.protocols.cmp import reading
from tests.enrollment.protocols.cmp.reading import Answer
from tests.enrollment.protocols.cmp.writing import (
    IR,
    KUR,
    Draft,
    Key,
    Request,
    by_pbm,
    directory,
    pbm,
    seq,
    signing,
)
from tests.support.clock import MORNING, SettableClock
from tests.support.cmp import cmp_door_of, cmp_signer_of
from tests.support.house import House, build_house, new_request

AGE = timedelta(days=350)


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key on P-256."""
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class ByCodes:
    """A terminal that has codes."""

    codes: Codes
    key: Key = field(default_factory=new_key)

    @property
    def secret(self) -> bytes:
        """The codes as one secret."""
        return secret_of(self.codes)

    def draft(self, body: bytes | None = None, kind: int = IR) -> Draft:
        """Return a message under PasswordBasedMac, by default an ir."""
        return self.protect(Draft(kind, seq(Request(self.key).written()) if body is None else body))

    def protect(self, draft: Draft) -> Draft:
        """Return a draft under PasswordBasedMac."""
        access_key = self.codes.access_key.encode()
        return replace(draft, algorithm=pbm(), sender_key=access_key, protect=by_pbm(self.secret))


@dataclass(frozen=True)
class ByCertificate:
    """A terminal that has a certificate."""

    name: str
    key: Key
    certificate: x509.Certificate
    der: bytes
    new: Key = field(default_factory=new_key)

    def draft(self, body: bytes | None = None, kind: int = KUR) -> Draft:
        """Return a signed message, by default a kur for a new key."""
        return self.protect(Draft(kind, seq(Request(self.new).written()) if body is None else body))

    def protect(self, draft: Draft) -> Draft:
        """Return a signed draft."""
        algorithm, sign = signing(self.key)
        identifier = self.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        return replace(
            draft,
            sender=directory(self.certificate.subject),
            algorithm=algorithm,
            sender_key=identifier,
            protect=sign,
            certificates=(self.der,),
        )


@dataclass(frozen=True)
class World:
    """The house and its door."""

    house: House
    clock: SettableClock
    client: FlaskClient
    signer: x509.Certificate
    sources: Iterator[str] = field(default_factory=lambda: (f"2001:db8:{n:x}::1" for n in itertools.count(1)))

    def terminal(self) -> ByCodes:
        """Return a terminal with new codes."""
        [(_, codes)] = self.house.new_codes()
        return ByCodes(codes)

    def certified(self, key: Key | None = None) -> ByCertificate:
        """Return a terminal whose certificate can be renewed."""
        own = new_key() if key is None else key
        self.clock.advance(-AGE)
        try:
            [(name, codes)] = self.house.new_codes()
            record = self.house.redemption.redeem(codes, new_request(own).pem, "192.0.2.1").certificate
        finally:
            self.clock.advance(AGE)
        der = record.der or b""
        return ByCertificate(name, own, x509.load_der_x509_certificate(der), der)

    def post(self, octets: bytes, media_type: str = MEDIA_TYPE, path: str = "/.well-known/cmp") -> TestResponse:
        """Post octets, each time from another address."""
        source = {"REMOTE_ADDR": next(self.sources)}
        return self.client.post(path, data=octets, content_type=media_type, environ_base=source)

    def send(self, draft: Draft, secret: bytes = b"") -> Answer:
        """Send a message and read the answer."""
        response = self.post(draft.written())
        assert response.status_code == 200, response.text
        assert response.mimetype == MEDIA_TYPE
        return reading.read(response.data, secret, self.signer)


def assert_nothing_happened(world: World, terminal: ByCodes) -> None:
    """See that the codes are as good as before, but for counted tries."""
    assert world.house.redemption.redeem(terminal.codes, new_request(terminal.key).pem, "192.0.2.7").is_new


@pytest.fixture(scope="module")
def world(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """Return one house for all of a module's tests: each has terminals of its own."""
    with sqlite_databases() as url:
        database = connect(url)
        clock = SettableClock(MORNING)
        house = build_house(database, tmp_path_factory.mktemp("house"), clock)
        app = create_app(RetrievalDoor(house.redemption))
        mount(app, cmp_door_of(house))
        signer = x509.load_der_x509_certificate(cmp_signer_of(house).certificate)
        yield World(house, clock, app.test_client(), signer)
        database.dispose()
