import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from asn1crypto import tsp
from cryptography import x509

from ca.ceremony import TIMESTAMP, service_certificate
from ca.renewal import Renewals
from server import settings as server_settings
from server.issuing import addresses_of, with_key
from server.stamping import RenewedUnit
from server.wiring import database_of
from tests.server.test_commands import tegata

pytestmark = pytest.mark.slow


def _signer(response: bytes) -> bytes:
    """Return the serial number of the certificate that a token was signed with."""
    content = tsp.TimeStampResp.load(response)["time_stamp_token"]["content"]
    serial: int = content["signer_infos"][0]["sid"].chosen["serial_number"].native
    return serial.to_bytes(20, "big")


def test_a_renewed_certificate_is_taken_up_without_restart(tmp_path: Path) -> None:
    made = tegata(tmp_path / "home", "init")
    assert made.returncode == 0, made.stderr
    chosen = server_settings.load(tmp_path / "home")
    database = database_of(chosen)
    query = subprocess.run(
        ["openssl", "ts", "-query", "-digest", "00" * 32, "-sha256", "-cert"], capture_output=True, check=True
    ).stdout
    patient, unit = RenewedUnit(chosen, database), RenewedUnit(chosen, database, look_each=0.0)
    first = x509.load_der_x509_certificate(service_certificate(database, TIMESTAMP))
    later = first.not_valid_after_utc - timedelta(days=100)
    assert _signer(unit.answer(query, later)) == first.serial_number.to_bytes(20, "big")
    assert Renewals(database, addresses_of(chosen), lambda issuer: with_key(chosen, issuer)).renew_due(later)
    second = x509.load_der_x509_certificate(service_certificate(database, TIMESTAMP))
    assert _signer(patient.answer(query, later)) == first.serial_number.to_bytes(20, "big")
    assert _signer(unit.answer(query, later)) == second.serial_number.to_bytes(20, "big")
    database.dispose()
