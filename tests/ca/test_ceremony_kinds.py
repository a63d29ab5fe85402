"""Every kind of certificate that a ceremony makes, under every algorithm that makes sense for it."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import ocsp, tsp
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID

from ca import issuers
from ca.issuers import Issuer
from ca.ocsp import Responder
from ca.ocsp_responses import Delegate
from ca.plan import YEAR, ServiceKind
from ca.plan_file import Surroundings, read
from ca.profiles import Addresses
from ca.timestamp_requests import Imprint
from ca.timestamps import TimestampUnit
from ca.yaml_lines import FileFault
from kernel.database import Database, connect
from keys.algorithms import algorithm_of
from keys.custody import SoftwareKeys
from tests.ca.every_kind import (
    EVERY,
    KINDS,
    NONSENSE,
    SENSIBLE,
    STATUS,
    all_of_ours,
    certificate_of,
    hold_every_kind,
    issuer_of,
    service_line,
    whole_file,
)
from tests.ca.ocsp_requests import cert_id, request
from tests.ca.trial import NOW

pytestmark = pytest.mark.slow
SIGNS, MEANS, RECEIVES = "digital_signature", "content_commitment", "key_encipherment"
USAGES = {ServiceKind.DOCUMENT: {SIGNS, MEANS}, ServiceKind.SCEP: {SIGNS, RECEIVES}}
REGISTRATION = "1.3.6.1.5.5.7.3.28"  # RFC 6402 §2.10
PURPOSES = {
    ServiceKind.OCSP: [ExtendedKeyUsageOID.OCSP_SIGNING.dotted_string],
    ServiceKind.TIMESTAMP: [ExtendedKeyUsageOID.TIME_STAMPING.dotted_string],
    # RFC 9336 §3.1, and what readers built upon NSS ask for.
    ServiceKind.DOCUMENT: ["1.3.6.1.5.5.7.3.36", ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string],
    ServiceKind.SCEP: [REGISTRATION],
    ServiceKind.CMP: [REGISTRATION],
    ServiceKind.MAIL: [ExtendedKeyUsageOID.EMAIL_PROTECTION.dotted_string],
    ServiceKind.SERVER: [ExtendedKeyUsageOID.SERVER_AUTH.dotted_string],
}
NAMED = {ServiceKind.MAIL: ["center@example.jp"], ServiceKind.SERVER: ["{}.example.jp", "192.0.2.7"]}


@dataclass(frozen=True)
class Founded:
    """What the ceremony left."""

    database: Database
    keys: SoftwareKeys

    def issuer(self, name: str) -> Issuer:
        """Return an authority."""
        with self.database.snapshot() as session:
            found = issuers.load(session, name)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def founded(
    sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Founded]:
    """Hold the ceremony once: what certificates say does not depend on the database."""
    with sqlite_databases() as url:
        database = connect(url)
        yield Founded(database, hold_every_kind(database, tmp_path_factory.mktemp("every")))
        database.dispose()


@pytest.mark.parametrize(("kind", "algorithm"), KINDS)
def test_a_service_gets_the_certificate_of_its_kind(founded: Founded, kind: ServiceKind, algorithm: str) -> None:
    certificate, issuer = certificate_of(founded.database, kind, algorithm), founded.issuer(issuer_of(algorithm))
    issuer.algorithm.verify(issuer.public_key, certificate.signature, certificate.tbs_certificate_bytes)
    assert certificate.issuer == issuer.certificate.subject
    assert certificate.not_valid_after_utc - certificate.not_valid_before_utc == 2 * YEAR
    said = {extension.oid: extension for extension in certificate.extensions}
    usage = said[ExtensionOID.KEY_USAGE]
    assert usage.critical
    names = ("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "crl_sign")
    assert {name for name in (*names, "key_cert_sign") if getattr(usage.value, name)} == USAGES.get(kind, {SIGNS})
    purpose = said[ExtensionOID.EXTENDED_KEY_USAGE]
    assert isinstance(purpose.value, x509.ExtendedKeyUsage)
    assert [one.dotted_string for one in purpose.value] == PURPOSES[kind]
    assert purpose.critical == (kind == ServiceKind.TIMESTAMP)  # RFC 3161 §2.3
    assert ExtensionOID.BASIC_CONSTRAINTS not in said
    assert (ExtensionOID.OCSP_NO_CHECK in said) == (kind == ServiceKind.OCSP)
    # The status of a responder is not asked for, that of everything else can be.
    for oid in (ExtensionOID.CRL_DISTRIBUTION_POINTS, ExtensionOID.AUTHORITY_INFORMATION_ACCESS):
        assert (oid in said) == (kind != ServiceKind.OCSP)
    expected = [name.format(algorithm) for name in NAMED.get(kind, [])]
    assert _names(certificate) == expected


def _names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [str(name.value) for name in names]


@pytest.mark.parametrize(("kind", "algorithm"), NONSENSE)
def test_a_plan_that_asks_for_what_nobody_could_use_is_refused_with_its_line(kind: ServiceKind, algorithm: str) -> None:
    file, around = Path("plan.yaml"), Surroundings(Addresses(STATUS), Path("published"), lambda _name: "software")
    content = whole_file() + service_line(kind, algorithm, issuer_of(algorithm))
    with pytest.raises(FileFault) as refusal:
        read(content.encode(), file, around)
    [fault] = refusal.value.faults
    assert fault.startswith(f"{file}:{content.count(chr(10))}: ")
    assert fault.endswith(f"a certificate of the kind {kind} needs one of {', '.join(SENSIBLE[kind])}")


@pytest.mark.parametrize("algorithm", ["p256", "p384", "rsa3072", "ed25519"])
def test_openssl_agrees_with_all_that_an_issuing_ca_gave(founded: Founded, algorithm: str, tmp_path: Path) -> None:
    below = founded.issuer(f"issuing-{algorithm}").certificate
    leaves = [one for found in all_of_ours(founded.database).values() for one in found if one.issuer == below.subject]
    assert len(leaves) >= 4
    files = []
    for number, certificate in enumerate([founded.issuer(f"root-{algorithm}").certificate, below, *leaves]):
        files.append(tmp_path / f"{number}.pem")
        files[-1].write_bytes(certificate.public_bytes(Encoding.PEM))
    at = str(int((NOW + timedelta(days=1)).timestamp()))
    command = ["openssl", "verify", "-x509_strict", "-attime", at, "-CAfile", str(files[0]), "-untrusted", str(files[1])]
    judged = subprocess.run([*command, *map(str, files[2:])], capture_output=True, text=True, check=False)
    assert judged.returncode == 0, judged.stderr
    assert judged.stdout.count(": OK") == len(leaves)


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_responder_answers_by_every_algorithm(founded: Founded, algorithm: str) -> None:
    issuer, certificate = founded.issuer(issuer_of(algorithm)), certificate_of(founded.database, ServiceKind.OCSP, algorithm)
    key = founded.keys.open_signing("ocsp-rsa3072.2" if algorithm == "rsa4096" else f"ocsp-{algorithm}")
    answer = Responder(founded.database, [Delegate(issuer, certificate, key)]).answer(request(cert_id(issuer, "7f")), NOW)
    basic = ocsp.OCSPResponse.load(answer.der, strict=True)["response_bytes"]["response"].parsed
    signed, by = basic["tbs_response_data"].dump(), algorithm_of(certificate.public_key())
    by.verify(key.public_key(), basic["signature"].native, signed)


@pytest.mark.parametrize("algorithm", EVERY)
def test_a_unit_stamps_by_every_algorithm(founded: Founded, algorithm: str) -> None:
    certificate = certificate_of(founded.database, ServiceKind.TIMESTAMP, algorithm)
    key = founded.keys.open_signing(f"timestamp-{algorithm}")
    unit = TimestampUnit(certificate, (), key, "1.3.6.1.4.1.32473.1.2")
    token = tsp.ContentInfo.load(unit.stamp(Imprint("sha256", bytes(32)), NOW))
    [signer] = token["content"]["signer_infos"]
    # RFC 5652 §5.4: signed is the SET OF, not the context-specific tag that it has inside.
    signed = b"\x31" + signer["signed_attrs"].dump()[1:]
    algorithm_of(certificate.public_key()).verify(key.public_key(), signer["signature"].native, signed)
