"""A second issuing CA takes over at its instant while all doors are open: nobody restarts anything, nobody's certificate ends."""

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from ca.authority import Succession
from server import responding
from tests.journeys.people import Inputs, Pc
from tests.support.demo import Demo, found_demo

# Within which running processes have seen a new issuing CA; an operator leaves them days.
SEEN_WITHIN = max(Succession.LOOK_EACH, responding.LOOK_EACH) + 1
PATIENCE = 90.0


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """Return a served demo home."""
    founded = found_demo(tmp_path)
    with founded.served():
        yield founded


def _hold_ceremony(demo: Demo, begin: datetime) -> None:
    """Add an issuing CA and its responder to the home's file, and hold it while the doors are open."""
    written = (demo.home / "ceremony.yaml").read_text(encoding="utf-8")
    authority = (
        f"  - {{ name: issuing-2, under: root, common_name: Two, algorithm: p384, years: 9, issues_from: {begin.isoformat()} }}\n"
    )
    responder = "  - { name: ocsp-2, kind: ocsp, under: issuing-2, common_name: Two OCSP, algorithm: p256, years: 2 }\n"
    file = demo.home / "ceremony.yaml"
    file.write_text(written.replace("\n# Kinds", f"{authority}\n# Kinds") + responder, encoding="utf-8")
    demo.run("ceremony", file)


def _served(demo: Demo, path: str) -> bytes:
    url = f"{demo.facts['status']}{path}"
    return subprocess.run(["curl", "--silent", "--show-error", "--fail", url], check=True, capture_output=True).stdout


def _issuer(pc: Pc) -> str:
    """Return the common name of who issued a PC's certificate."""
    certificate = x509.load_pem_x509_certificate(pc.certificate.read_bytes())
    return str(certificate.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _ocsp(demo: Demo, pc: Pc, issuer: str, at: datetime) -> str:
    """Ask the responder through openssl; the answer must verify. A responder that knows no such issuer yet says nothing."""
    above = demo.root.with_name(f"{issuer}.pem")
    command = ["openssl", "ocsp", "-issuer", str(above), "-CAfile", str(demo.root), "-cert", str(pc.certificate)]
    command += ["-attime", str(int(at.timestamp())), "-validity_period", str(30 * 86_400), "-url", f"{demo.facts['status']}/ocsp"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    if "unauthorized" in told.stdout + told.stderr:
        return ""
    assert (told.returncode, "Response verify OK" in told.stderr) == (0, True), told.stderr
    return told.stdout.partition(": ")[2].split()[0]


def _is_listed(demo: Demo, pc: Pc, issuer: str) -> bool:
    """Return whether an issuer's list, as it is served and signed by it, has a PC's certificate."""
    crl = x509.load_der_x509_crl(_served(demo, f"/crl/{issuer}.crl"))
    above = x509.load_der_x509_certificate(_served(demo, f"/ca/{issuer}.cer"))
    assert crl.is_signature_valid(above.public_key())  # type: ignore[arg-type]
    serial = x509.load_pem_x509_certificate(pc.certificate.read_bytes()).serial_number
    return crl.get_revoked_certificate_by_serial_number(serial) is not None


def _until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_issuing_cas_change_at_their_instant_without_restart(demo: Demo, tmp_path: Path) -> None:
    codes: list[Inputs] = [
        json.loads(line) for line in demo.run("demo", "codes", "--terminals", "2", "--json").stdout.splitlines()
    ]
    old, new = (Pc(demo, tmp_path / one["terminal"]) for one in codes)
    assert old.retrieve(codes[0]).returncode == 0
    now = datetime.now(UTC).replace(microsecond=0)
    _hold_ceremony(demo, now + timedelta(days=1))
    for path in ("/ca/issuing-2.cer", "/ca/issuing-2.p7c", "/crl/issuing-2.crl"):
        assert _served(demo, path)  # before anybody needs it
    time.sleep(SEEN_WITHIN)  # whoever looked before the ceremony looks again at the next question

    demo.run("demo", "clock", "+2d")
    at = now + timedelta(days=2, minutes=1)
    assert new.retrieve(codes[1]).returncode == 0
    assert (_issuer(old) != "Two", _issuer(new)) == (True, "Two")
    for pc, issuer, its_codes in ((old, "issuing-1", codes[0]), (new, "issuing-2", codes[1])):
        assert pc.log_on(its_codes["access_key"]) == (True, None)
        _until(lambda pc=pc, issuer=issuer: _ocsp(demo, pc, issuer, at) == "good")  # type: ignore[misc]
        assert not _is_listed(demo, pc, issuer)

    demo.run("revoke", *(one["terminal"] for one in codes), "--reason", "superseded", "--yes")
    for pc, issuer, its_codes in ((old, "issuing-1", codes[0]), (new, "issuing-2", codes[1])):
        assert _ocsp(demo, pc, issuer, at) == "revoked"
        _until(lambda pc=pc, issuer=issuer: _is_listed(demo, pc, issuer))  # type: ignore[misc]
        assert pc.log_on(its_codes["access_key"]) == (False, "A0036")
    assert demo.run("audit", "verify").returncode == 0
