import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, pkcs7
from cryptography.x509.oid import AuthorityInformationAccessOID, NameOID
from flask.testing import FlaskClient
from sqlalchemy import select

from ca.ceremony import service_certificate
from ca.publication import Publication, create_app
from ca.tables import CertificateRow
from tests.ca.test_ceremony_rollover import hold, issuer_named, verify, with_new_root, with_successor
from tests.support.clock import SettableClock
from tests.support.house import House

OPENSSL = ["openssl", "pkcs7", "-inform", "DER", "-print_certs", "-noout"]


@pytest.fixture
def grown(house: House) -> House:
    """Return a house with a second issuing CA and a second root."""
    hold(house, with_new_root(with_successor(house.plan, house.clock.now() + timedelta(days=10))))
    house.issue()
    return house


@pytest.fixture
def door(grown: House) -> Iterator[FlaskClient]:
    app = create_app(Publication(grown.database, grown.clock, grown.responder, grown.crl_folder, grown.timestamps))
    with app.test_client() as client:
        yield client


def _all(house: House) -> list[x509.Certificate]:
    with house.database.snapshot() as session:
        return [x509.load_der_x509_certificate(der) for der in session.scalars(select(CertificateRow.der)) if der]


def _above(certificate: x509.Certificate) -> list[str]:
    """Return the paths at which a certificate says that its issuer's one is found."""
    try:
        access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    except x509.ExtensionNotFound:
        return []
    found = [one.access_location.value for one in access if one.access_method == AuthorityInformationAccessOID.CA_ISSUERS]
    return [urlsplit(address).path for address in found]


def test_every_certificate_finds_its_issuers_where_it_says(door: FlaskClient, grown: House) -> None:
    without = []
    for certificate in _all(grown):
        paths = _above(certificate)
        if not paths:
            without.append(certificate)
        for path in paths:
            served = door.get(path)
            assert (served.status_code, served.mimetype) == (200, "application/pkix-cert")
            certificate.verify_directly_issued_by(x509.load_der_x509_certificate(served.data))
    # Roots are above all, and what a responder may do for its issuer comes with that issuer.
    names = {certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value for certificate in without}
    assert {certificate.subject for certificate in without} >= {grown.root.certificate.subject}
    assert all("Root" in str(name) or "OCSP" in str(name) for name in names)


@pytest.mark.parametrize("name", ["root", "root-2", "issuing-1", "issuing-2", "root-2-by-root", "root-by-root-2"])
def test_each_certificate_of_an_authority_is_served_and_stays_when_it_was_followed(
    door: FlaskClient, grown: House, clock: SettableClock, name: str
) -> None:  # fmt: skip
    served = door.get(f"/ca/{name}.cer")
    assert served.data == service_certificate(grown.database, name)
    assert door.get(f"/ca/{name}.cer", headers={"If-None-Match": served.headers["ETag"]}).status_code == 304
    clock.advance(timedelta(days=365 * 30))
    assert door.get(f"/ca/{name}.cer").data == served.data


@pytest.mark.parametrize("name", ["nobody", "tls-retrieval", "ocsp", "99999W", "root-by-nobody"])
def test_what_is_no_authority_is_not_served(door: FlaskClient, name: str) -> None:
    assert door.get(f"/ca/{name}.cer").status_code == 404
    assert door.get(f"/ca/{name}.p7c").status_code == 404


def test_a_bundle_leads_to_either_root(door: FlaskClient, grown: House, clock: SettableClock, tmp_path: Path) -> None:
    served = door.get("/ca/issuing-1.p7c")
    assert served.mimetype == "application/pkcs7-mime"
    certificates = pkcs7.load_der_pkcs7_certificates(served.data)
    assert len(certificates) == 5
    between = [one.public_bytes(Encoding.DER) for one in certificates if one.subject != one.issuer]
    leaf = service_certificate(grown.database, "tls-retrieval")
    for root in ("root", "root-2"):
        assert verify(tmp_path, clock.now(), issuer_named(grown, root).der, between, leaf) == "OK"
    read = subprocess.run(OPENSSL, input=served.data, capture_output=True, check=True).stdout.decode()
    assert read.count("subject=") == 5
