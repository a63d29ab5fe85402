"""Those who are shown terminals' certificates: nginx as a gateway with lists or OCSP, NSS and Java with lists."""

import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from ca.certificates import CertificateRecord
from ca.revocation import Reason
from tests.interop.programs import Outcome, Papers, Runner
from tests.support.house import new_request
from tests.support.open_doors import OpenDoors
from tests.support.ports import free_port
from tests.support.required import missing

CONFIGURATION = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log info;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.key;
    ssl_client_certificate {folder}/authorities.pem; ssl_verify_client on; ssl_verify_depth 2;
    {checks}
    location / {{ return 200 "$ssl_client_s_dn"; }}
  }}
}}
"""


@dataclass(frozen=True)
class Terminal:
    """A terminal's certificate, and the files with which curl shows it."""

    record: CertificateRecord
    certificate: Path
    key: Path


@pytest.fixture
def terminal(papers: Papers) -> Terminal:
    """Return a terminal with a good certificate."""
    request = new_request()
    record, certificate = papers.certificate(request=request)
    key = certificate.with_suffix(".key")
    key.write_bytes(request.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return Terminal(record, certificate, key)


@dataclass(frozen=True)
class Gateway:
    """nginx, which lets a terminal through or not."""

    run: Runner
    url: str
    folder: Path

    def shown(self, terminal: Terminal) -> str:
        """Return what a terminal is answered."""
        outcome = self.run("curl", "-sk", "--cert", terminal.certificate, "--key", terminal.key, self.url)
        assert outcome.status == 0, outcome.text
        return outcome.text


@contextmanager
def gateway(doors: OpenDoors, run: Runner, folder: Path, checks: str) -> Iterator[Gateway]:
    """Run nginx with these checks of client certificates."""
    port = free_port()
    made = run(
        "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
        "-subj", "/CN=localhost", "-keyout", folder / "server.key", "-out", folder / "server.pem",
    )  # fmt: skip
    assert made.status == 0, made.text
    (folder / "authorities.pem").write_bytes(doors.issuing.read_bytes() + doors.root.read_bytes())
    (folder / "nginx.conf").write_text(CONFIGURATION.format(folder=folder, port=port, checks=checks), encoding="ascii")
    try:
        process = subprocess.Popen(["nginx", "-p", str(folder), "-c", str(folder / "nginx.conf")], stderr=subprocess.DEVNULL)
    except FileNotFoundError:
        missing("nginx")
    try:
        _await(port)
        yield Gateway(run, f"https://127.0.0.1:{port}/", folder)
    finally:
        process.terminate()
        process.wait()


def _await(port: int) -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("nginx does not listen")


def test_nginx_with_lists_lets_the_good_through_and_no_other(
    doors: OpenDoors, papers: Papers, run: Runner, terminal: Terminal, tmp_path: Path
) -> None:
    checks = f"ssl_crl {papers.lists()};"
    with gateway(doors, run, tmp_path, checks) as nginx:
        assert f"CN={terminal.record.subject}" in nginx.shown(terminal)
    papers.revoke(terminal.record)
    papers.lists()
    with gateway(doors, run, tmp_path, checks) as nginx:  # it reads lists when it begins
        assert "The SSL certificate error" in nginx.shown(terminal)


def test_nginx_that_asks_the_responder_knows_of_a_revocation_at_once(
    doors: OpenDoors, papers: Papers, run: Runner, terminal: Terminal, tmp_path: Path
) -> None:
    # By address: to resolve the name in the certificate nginx would need a name server.
    responder = doors.status.replace("localhost", "127.0.0.1")
    with gateway(doors, run, tmp_path, f"ssl_ocsp leaf; ssl_ocsp_responder {responder}/ocsp;") as nginx:
        assert f"CN={terminal.record.subject}" in nginx.shown(terminal)
        papers.revoke(terminal.record, Reason.SUPERSEDED)
        assert "The SSL certificate error" in nginx.shown(terminal)
        assert "certificate revoked" in (tmp_path / "error.log").read_text(encoding="utf-8")


def test_nss_verifies_the_chain_and_the_list(
    doors: OpenDoors, papers: Papers, run: Runner, terminal: Terminal, tmp_path: Path
) -> None:
    database = f"sql:{tmp_path}"

    def certutil(*words: str | Path) -> Outcome:
        return run("certutil", "-d", database, *words)

    assert certutil("-N", "--empty-password").status == 0
    for name, trust, file in (
        ("root", "T,,", doors.root),
        ("issuing", ",,", doors.issuing),
        ("terminal", ",,", terminal.certificate),
    ):
        added = certutil("-A", "-n", name, "-t", trust, "-i", file)
        assert added.status == 0, added.text
    good = certutil("-V", "-n", "terminal", "-u", "C", "-e")
    assert (good.status, good.text) == (0, "certutil: certificate is valid\n")
    papers.revoke(terminal.record)
    known = run("crlutil", "-I", "-d", database, "-i", doors.house.crl.file, "-t", "1")
    assert known.status == 0, known.text
    ended = certutil("-V", "-n", "terminal", "-u", "C", "-e")
    assert ended.status != 0
    assert "revoked" in ended.text


def test_java_verifies_the_chain_and_the_list(
    doors: OpenDoors, papers: Papers, run: Runner, terminal: Terminal, tmp_path: Path
) -> None:
    store = ("-keystore", tmp_path / "store.p12", "-storepass", "changeit")
    assert run("keytool", "-importcert", "-noprompt", "-alias", "root", "-file", doors.root, *store).status == 0
    # Without -noprompt: what does not lead to the root would be asked about, and nobody answers.
    for alias, file in (("issuing", doors.issuing), ("terminal", terminal.certificate)):
        added = run("keytool", "-importcert", "-alias", alias, "-file", file, *store)
        assert "Certificate was added" in added.text
    papers.revoke(terminal.record)
    shown = run("keytool", "-printcrl", "-file", doors.house.crl.file, *store)
    assert shown.status == 0, shown.text
    assert "Verified by issuing in keystore" in shown.text
    assert terminal.record.serial in "".join(shown.text.lower().replace(":", "").split())
