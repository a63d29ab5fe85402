"""OpenSSL judges certificates, lists and status answers."""

from datetime import timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from ca import revocation
from ca.revocation import Reason
from kernel.clock import day_start, tokyo_date
from tests.interop.programs import Papers, Runner
from tests.support.house import new_request
from tests.support.open_doors import OpenDoors

STRICT = ("openssl", "verify", "-x509_strict", "-purpose", "sslclient")


def _chain(doors: OpenDoors) -> tuple[str | Path, ...]:
    return ("-CAfile", doors.root, "-untrusted", doors.issuing)


def test_the_chain_verifies_strictly_for_tls_clients(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    _, file = papers.certificate()
    outcome = run(*STRICT, *_chain(doors), file)
    assert (outcome.status, outcome.text) == (0, f"{file}: OK\n")


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(65537, 2048),
        rsa.generate_private_key(65537, 3072),
        ed25519.Ed25519PrivateKey.generate(),
    ],
    ids=["P-384", "RSA-2048", "RSA-3072", "Ed25519"],
)
def test_so_it_does_for_keys_of_every_accepted_kind(
    doors: OpenDoors, papers: Papers, run: Runner, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
) -> None:
    _, file = papers.certificate(request=new_request(key))
    assert run(*STRICT, *_chain(doors), file).status == 0


def test_a_terminals_certificate_is_good_for_nothing_else(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    _, file = papers.certificate()
    for purpose in ("sslserver", "smimesign", "timestampsign", "ocsphelper"):
        outcome = run("openssl", "verify", "-purpose", purpose, *_chain(doors), file)
        assert (outcome.status == 0) == (purpose == "ocsphelper")  # OpenSSL lets everything pass for a helper
    anything = run("openssl", "verify", "-x509_strict", "-CAfile", doors.root, "-untrusted", file, file)
    assert anything.status != 0


def test_with_both_lists_the_whole_chain_is_checked(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    _, file = papers.certificate()
    for check in ("-crl_check", "-crl_check_all"):
        outcome = run(*STRICT, check, "-CRLfile", papers.lists(), *_chain(doors), file)
        assert outcome.status == 0, outcome.text


@pytest.mark.parametrize("reason", Reason)
def test_a_revoked_certificate_fails_with_the_list(doors: OpenDoors, papers: Papers, run: Runner, reason: Reason) -> None:
    record, file = papers.certificate()
    before = papers.lists().read_bytes()
    assert run(*STRICT, "-crl_check_all", "-CRLfile", papers.lists(), *_chain(doors), file).status == 0
    papers.revoke(record, reason)
    assert papers.lists().read_bytes() != before
    outcome = run(*STRICT, "-crl_check_all", "-CRLfile", papers.lists(), *_chain(doors), file)
    assert outcome.status != 0
    assert "certificate revoked" in outcome.text


def test_a_start_date_ahead_verifies_for_its_day_and_not_for_today(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    start = tokyo_date(doors.house.clock.now()) + timedelta(days=40)
    _, file = papers.certificate(start_date=start)
    begins = int(day_start(start).timestamp())
    outcome = run(*STRICT, *_chain(doors), file)
    assert outcome.status != 0
    assert "certificate is not yet valid" in outcome.text
    assert run(*STRICT, "-attime", str(begins - 1), *_chain(doors), file).status != 0
    # On its first second and on: OpenSSL's -attime compares with "not before" as later-or-equal.
    assert run(*STRICT, "-attime", str(begins), *_chain(doors), file).status == 0
    assert run(*STRICT, "-attime", str(begins + 1), *_chain(doors), file).status == 0


def test_openssl_reads_the_list(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    record, _ = papers.certificate()
    papers.revoke(record)
    outcome = run(
        "openssl", "crl", "-in", doors.house.crl.file, "-inform", "DER", "-CAfile", doors.issuing, "-text", "-noout", "-verify"
    )
    assert outcome.status == 0
    assert "verify OK" in outcome.text
    assert f"{int(record.serial, 16):X}" in outcome.text
    assert "X509v3 CRL Number" in outcome.text
    assert "Key Compromise" in outcome.text


def _ocsp(doors: OpenDoors, run: Runner, *arguments: str | Path, url: str | None = None) -> str:
    outcome = run(
        "openssl", "ocsp", "-issuer", doors.issuing, *arguments, "-CAfile", doors.root, "-verify_other", doors.issuing,
        "-url", url or f"{doors.status}/ocsp",
    )  # fmt: skip
    assert outcome.status == 0, outcome.text
    return outcome.text


@pytest.mark.parametrize("nonce", ["-nonce", "-no_nonce"])
@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
def test_ocsp_by_post_says_good_then_revoked(
    doors: OpenDoors, papers: Papers, run: Runner, nonce: str, digest: str
) -> None:  # fmt: skip
    record, file = papers.certificate()
    told = _ocsp(doors, run, digest, "-cert", file, nonce)
    assert "Response verify OK" in told
    assert f"{file}: good" in told
    assert "WARNING" not in told
    papers.revoke(record)
    told = _ocsp(doors, run, digest, "-cert", file, nonce)
    assert f"{file}: revoked" in told
    assert "Reason: keyCompromise" in told


def test_two_certificates_in_one_ocsp_request(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    _, good = papers.certificate()
    record, revoked = papers.certificate()
    papers.revoke(record, Reason.SUPERSEDED)
    told = _ocsp(doors, run, "-cert", good, "-cert", revoked, "-serial", "0x123456")
    assert f"{good}: good" in told
    assert f"{revoked}: revoked" in told
    assert "0x123456: unknown" in told


def test_a_held_certificate_is_told_as_held(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    record, file = papers.certificate()
    with doors.house.database.transaction() as session:
        revocation.hold(session, record.issuer, record.serial, now=doors.house.clock.now())
    assert "Reason: certificateHold" in _ocsp(doors, run, "-cert", file)


def test_the_addresses_inside_a_certificate_lead_somewhere(
    doors: OpenDoors, papers: Papers, run: Runner, tmp_path: Path
) -> None:  # fmt: skip
    record, file = papers.certificate()
    url = run("openssl", "x509", "-in", file, "-noout", "-ocsp_uri").text.strip()
    assert f"{file}: good" in _ocsp(doors, run, "-cert", file, url=url)
    certificate = x509.load_der_x509_certificate(record.der or b"")
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    crl_url = (points[0].full_name or [])[0].value
    issuer_url = access[1].access_location.value
    fetched = tmp_path / "fetched"
    assert run("curl", "-sSf", "-o", fetched, crl_url).status == 0
    assert x509.load_der_x509_crl(fetched.read_bytes()).is_signature_valid(doors.house.issuing.issuer.public_key)
    assert run("curl", "-sSf", "-o", fetched, issuer_url).status == 0
    assert x509.load_der_x509_certificate(fetched.read_bytes()) == doors.house.issuing.issuer.certificate
