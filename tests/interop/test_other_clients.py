"""GnuTLS and curl ask for a certificate's status."""

import base64
from pathlib import Path
from urllib.parse import quote

from tests.ca.ocsp_requests import Told, cert_id, request
from tests.interop.programs import Papers, Runner
from tests.support.open_doors import OpenDoors


def test_gnutls_asks_and_verifies(doors: OpenDoors, papers: Papers, run: Runner, tmp_path: Path) -> None:
    record, file = papers.certificate()
    signers = tmp_path / "signers.pem"
    signers.write_bytes(doors.issuing.read_bytes() + doors.root.read_bytes())
    ask = (
        "ocsptool", f"--ask={doors.status}/ocsp", "--nonce", "--load-cert", file, "--load-issuer", doors.issuing,
        "--load-trust", signers,
    )  # fmt: skip
    outcome = run(*ask)
    assert outcome.status == 0, outcome.text
    assert "Certificate Status: good" in outcome.text
    assert "Verifying OCSP Response: Success" in outcome.text
    papers.revoke(record)
    outcome = run(*ask)
    assert "Certificate Status: revoked" in outcome.text


def test_gnutls_verifies_the_chain(doors: OpenDoors, papers: Papers, run: Runner, tmp_path: Path) -> None:
    _, file = papers.certificate()
    chain = tmp_path / "chain.pem"
    chain.write_bytes(file.read_bytes() + doors.issuing.read_bytes())
    outcome = run(
        "certtool", "--verify", "--load-ca-certificate", doors.root, "--infile", chain, "--verify-purpose", "1.3.6.1.5.5.7.3.2"
    )
    assert outcome.status == 0, outcome.text
    assert "Verified. The certificate is trusted." in outcome.text


def test_gnutls_reads_the_list(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    record, _ = papers.certificate()
    papers.revoke(record)
    outcome = run("certtool", "--crl-info", "--inder", "--infile", doors.house.crl.file)
    assert outcome.status == 0, outcome.text
    assert f"{int(record.serial, 16):040x}" in outcome.text.replace(":", "")


def test_curl_gets_a_status_that_caches_may_keep(doors: OpenDoors, papers: Papers, run: Runner, tmp_path: Path) -> None:
    record, _ = papers.certificate()
    encoded = base64.b64encode(request(cert_id(doors.house.issuing.issuer, record.serial))).decode("ascii")
    answer, headers = tmp_path / "answer", tmp_path / "headers"
    outcome = run("curl", "-sSf", "-o", answer, "-D", headers, f"{doors.status}/ocsp/{quote(encoded, safe='')}")
    assert outcome.status == 0, outcome.text
    assert Told(answer.read_bytes(), doors.house.issuing.issuer).statuses == ["good"]
    sent = headers.read_text(encoding="ascii").lower()
    assert "content-type: application/ocsp-response" in sent
    assert "cache-control: max-age=60" in sent
