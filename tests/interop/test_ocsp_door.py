"""Other people's OCSP clients at the status door's express lane, as it is served: a process of its own, POST and GET."""

import base64
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.ca.ocsp_requests import Told, cert_id, nonce, request
from tests.interop.programs import Papers, Runner
from tests.server.test_status_door import status_door
from tests.support.open_doors import OpenDoors


@pytest.fixture
def url(doors: OpenDoors, tmp_path: Path) -> Iterator[str]:
    """Return the address of a responder for the house."""
    with status_door(doors.house, tmp_path) as door:
        yield f"http://127.0.0.1:{door.port}/ocsp"


@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
@pytest.mark.parametrize("with_nonce", ["-nonce", "-no_nonce"])
def test_openssl_asks_and_verifies(
    doors: OpenDoors, papers: Papers, run: Runner, *, url: str, digest: str, with_nonce: str
) -> None:  # fmt: skip
    (kept, good), (ended, revoked) = papers.certificate(), papers.certificate()
    papers.revoke(ended)
    ask: list[str | Path] = ["openssl", "ocsp", "-url", url, "-issuer", doors.issuing, "-CAfile", doors.root, digest, with_nonce]
    told = run(*ask, "-cert", good, "-cert", revoked, "-serial", "0x123456").text
    assert "Response verify OK" in told
    assert "WARNING" not in told or with_nonce == "-no_nonce"
    for line in (f"{good}: good", f"{revoked}: revoked", "0x123456: unknown"):
        assert line in told
    papers.revoke(kept)
    assert f"{good}: revoked" in run(*ask, "-cert", good).text


def test_gnutls_asks_and_verifies(doors: OpenDoors, papers: Papers, run: Runner, *, url: str, tmp_path: Path) -> None:
    record, file = papers.certificate()
    signers = tmp_path / "signers.pem"
    signers.write_bytes(doors.issuing.read_bytes() + doors.root.read_bytes())
    for word in ("good", "revoked"):
        outcome = run(
            "ocsptool", f"--ask={url}", "--nonce", "--load-cert", file, "--load-issuer", doors.issuing, "--load-trust", signers
        )
        assert f"Certificate Status: {word}" in outcome.text
        assert "Verifying OCSP Response: Success" in outcome.text
        papers.revoke(record)


def test_curl_gets_and_is_told_that_nothing_changed(
    doors: OpenDoors, papers: Papers, run: Runner, *, url: str, tmp_path: Path
) -> None:  # fmt: skip
    record, _ = papers.certificate()
    one = cert_id(doors.house.issuing.issuer, record.serial)
    answer, headers = tmp_path / "answer", tmp_path / "headers"
    for asked in (request(one), request(one, extensions=[nonce(b"0123456789abcdef")])):
        path = quote(base64.b64encode(asked), safe="")
        for version in ("--http1.0", "--http1.1"):
            outcome = run("curl", "-sSf", version, "-o", answer, "-D", headers, f"{url}/{path}", f"{url}/{path}", "-o", answer)
            assert outcome.status == 0, outcome.text
            assert Told(answer.read_bytes(), doors.house.issuing.issuer).statuses == ["good"]
    assert "no-store" in headers.read_text(encoding="ascii")


def _asked_by_openssl(doors: OpenDoors, run: Runner, files: list[Path], folder: Path, *options: str) -> Path:
    asked = folder / "request"
    certificates = [word for file in files for word in ("-cert", file)]
    made = run("openssl", "ocsp", "-issuer", doors.issuing, *options, *certificates, "-reqout", asked)
    assert made.status == 0, made.text
    return asked


def _got(run: Runner, url: str, asked: Path) -> Path:
    """Send a request by GET; return the file of the response."""
    answer = asked.with_name("answer")
    path = quote(base64.b64encode(asked.read_bytes()), safe="")
    outcome = run("curl", "-sSf", "-o", answer, f"{url}/{path}")
    assert outcome.status == 0, outcome.text
    return answer


@pytest.mark.parametrize("digest", ["-sha1", "-sha256"])
@pytest.mark.parametrize("with_nonce", ["-nonce", "-no_nonce"])
def test_openssl_verifies_what_is_got(
    doors: OpenDoors, papers: Papers, run: Runner, *, url: str, digest: str, with_nonce: str
) -> None:  # fmt: skip
    (_, good), (ended, revoked) = papers.certificate(), papers.certificate()
    papers.revoke(ended)
    asked = _asked_by_openssl(doors, run, [good, revoked], papers.folder, digest, with_nonce)
    answer = _got(run, url, asked)
    # -no_nonce: no other one is put into the request that was sent; it is compared as it is.
    judge: list[str | Path] = ["openssl", "ocsp", "-issuer", doors.issuing, "-CAfile", doors.root, "-no_nonce", digest]
    told = run(*judge, "-reqin", asked, "-respin", answer, "-cert", good, "-cert", revoked).text
    assert "Response verify OK" in told
    assert "WARNING" not in told
    assert f"{good}: good" in told
    assert f"{revoked}: revoked" in told


def test_gnutls_verifies_what_is_got_for_its_own_request(
    doors: OpenDoors, papers: Papers, run: Runner, *, url: str, tmp_path: Path
) -> None:  # fmt: skip
    _, file = papers.certificate()
    asked, signers = tmp_path / "request", tmp_path / "signers.pem"
    signers.write_bytes(doors.issuing.read_bytes() + doors.root.read_bytes())
    made = run(
        "ocsptool", "--generate-request", "--load-issuer", doors.issuing, "--load-cert", file, "--outfile", asked
    )  # fmt: skip
    assert made.status == 0, made.text
    answer = _got(run, url, asked)
    judged = run("ocsptool", "--verify-response", "--load-response", answer, "--load-trust", signers)
    assert "Verifying OCSP Response: Success" in judged.text
    assert "Certificate Status: good" in run("ocsptool", "--response-info", "--load-response", answer).text
