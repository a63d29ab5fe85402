"""The client's PKCS#12 file in the hands of OpenSSL, Java and NSS; the page's is judged where a browser makes it."""

from pathlib import Path

import pytest

from enrollment.client.connection import Server
from enrollment.client.folder import PKCS12, Folder, Form
from enrollment.client.retrieval import retrieve
from kernel.clock import SystemClock
from tests.support import pkcs12_readers
from tests.support.open_doors import OpenDoors

PASSPHRASE = "correct horse, battery 7"
MODERN = {"MAC: sha256", "PKCS7 Encrypted data: PBES2, PBKDF2, AES-256-CBC", "Shrouded Keybag: PBES2, PBKDF2, AES-256-CBC"}
# What Windows before 10 1709 and Server 2019 reads.
OLD = {f"{bag}: pbeWithSHA1And3-KeyTripleDES-CBC" for bag in ("PKCS7 Encrypted data", "Shrouded Keybag")} | {"MAC: sha1"}
# The .NET loader's own limits.
INDIVIDUAL, TOTAL = 300_000, 1_000_000


@pytest.mark.parametrize(("form", "algorithms"), [(Form.PKCS12, MODERN), (Form.PKCS12_3DES, OLD)])
def test_everybody_reads_the_clients_file(doors: OpenDoors, tmp_path: Path, form: Form, algorithms: set[str]) -> None:
    [(terminal, codes)] = doors.house.new_codes()
    server = Server(doors.retrieval, doors.root, SystemClock())
    retrieve(codes, server, tmp_path / "pc", form=form, passphrase=PASSPHRASE.encode())
    file = tmp_path / "pc" / PKCS12
    said = pkcs12_readers.openssl(file, PASSPHRASE, terminal)
    assert {line.partition(", Iteration")[0] for line in said.splitlines() if ", Iteration" in line} == algorithms
    rounds = [int(line.partition(", Iteration ")[2].partition(",")[0]) for line in said.splitlines() if ", Iteration" in line]
    assert max(rounds) <= INDIVIDUAL
    assert sum(rounds) <= TOTAL
    pkcs12_readers.keytool(file, PASSPHRASE, terminal)
    pkcs12_readers.nss(file, PASSPHRASE, terminal)
    assert Folder(tmp_path / "pc", PASSPHRASE.encode()).form is form
