"""Everything with the keys in a SoftHSM token: ceremony, issuance, CRL, OCSP, a served home, and the token's loss."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography import x509

from ca.ceremony import ISSUING, RESPONDER, ROOT, Ceremony
from ca.certificates import CertificateState
from enrollment.client.retrieval import PATH
from enrollment.code_sets import CodeSetState
from kernel.clock import SystemClock
from kernel.database import connect
from kernel.errors import Refused, Unavailable
from keys import tokens
from keys.custody import CustodyKey, KeyAlgorithm, SoftwareKeys
from keys.pkcs11 import TokenKeys
from keys.tokens import Token
from server.key_places import decrypts, is_always_software
from tests.interop.programs import Papers, Runner
from tests.support.demo import Demo, found_demo
from tests.support.house import PASSPHRASE, SOURCE, new_request
from tests.support.open_doors import OpenDoors, open_house
from tests.support.softhsm import CONFIGURATION, PIN, SoftToken, soft_token

SIGNERS = (ROOT, ISSUING, RESPONDER)


@dataclass(frozen=True)
class TokenHouseKeys(SoftwareKeys):
    """All keys that may be in a token are; the others are files."""

    token: Token

    def in_token(self, name: str) -> TokenKeys:
        """Return the custody of a key that is in the token."""
        return TokenKeys(self.token, decrypts=decrypts(name))

    def exists(self, name: str) -> bool:
        """Return whether there is such a key."""
        return super().exists(name) if _is_file(name) else self.in_token(name).exists(name)

    def keep(self, name: str, key: CustodyKey) -> None:
        """Keep a key that was made before as a file; what belongs into the token is made there instead."""
        if _is_file(name):
            super().keep(name, key)
        else:
            self.in_token(name).create(name, KeyAlgorithm.RSA3072)

    def create(self, name: str, algorithm: KeyAlgorithm) -> CustodyKey:
        """Make a key where it belongs."""
        return super().create(name, algorithm) if _is_file(name) else self.in_token(name).create(name, algorithm)

    def open(self, name: str) -> CustodyKey:
        """Open a key."""
        return super().open(name) if _is_file(name) else self.in_token(name).open(name)


STAMP_TYPE = "Content-Type: application/timestamp-query"


def ts_query(folder: Path, run: Runner) -> Path:
    """Let openssl write a time-stamp request."""
    (folder / "content").write_text("octets", encoding="ascii")
    run("openssl", "ts", "-query", "-data", folder / "content", "-sha256", "-out", folder / "query")
    return folder / "query"


def _is_file(name: str) -> bool:
    return is_always_software(name) or name == "sealing"


@pytest.fixture(scope="module")
def soft(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoftToken]:
    """Return the token of this module's house."""
    with soft_token(tmp_path_factory.mktemp("token")) as made:
        yield made


@pytest.fixture(scope="module")
def doors(
    soft: SoftToken, sqlite_databases: Callable[[], AbstractContextManager[str]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OpenDoors]:
    """Return a house whose keys are in the token."""
    folder = tmp_path_factory.mktemp("house")
    with sqlite_databases() as url:
        database = connect(url)
        keys = TokenHouseKeys(folder / "keys", PASSPHRASE, soft.token)
        with open_house(database, folder, SystemClock(), keys=keys) as opened:
            yield opened
        database.dispose()


def test_the_ceremony_made_its_keys_in_the_token_and_changes_nothing_when_repeated(doors: OpenDoors) -> None:
    house = doors.house
    assert not [name for name in SIGNERS if (house.keys.folder / f"{name}.key").exists()]
    assert all(TokenKeys(house.keys.token).exists(name) for name in SIGNERS)  # type: ignore[attr-defined]
    assert not Ceremony(house.database, house.keys, house.plan).hold(house.clock.now())


def test_openssl_verifies_chain_and_lists(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    record, file = papers.certificate()
    command = ("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", doors.root, "-untrusted", doors.issuing)
    assert run(*command, "-crl_check_all", "-CRLfile", papers.lists(), file).status == 0
    papers.revoke(record)
    outcome = run(*command, "-crl_check_all", "-CRLfile", papers.lists(), file)
    assert "certificate revoked" in outcome.text


def test_openssl_verifies_ocsp(doors: OpenDoors, papers: Papers, run: Runner) -> None:
    record, file = papers.certificate()
    command = (
        *("openssl", "ocsp", "-issuer", doors.issuing, "-cert", file, "-CAfile", doors.root),
        *("-verify_other", doors.issuing, "-url", f"{doors.status}/ocsp"),
    )
    told = run(*command).text
    assert "Response verify OK" in told
    assert f"{file}: good" in told
    papers.revoke(record)
    assert f"{file}: revoked" in run(*command).text


def test_a_pulled_token_burns_no_code_and_the_same_key_gets_its_certificate_afterwards(
    soft: SoftToken, doors: OpenDoors, run: Runner, tmp_path: Path
) -> None:
    house, request = doors.house, new_request()
    [(terminal, codes)] = house.new_codes()
    soft.pull()
    try:
        for _ in range(2):
            with pytest.raises(Unavailable, match="custody of keys") as caught:
                house.redemption.redeem(codes, request.pem, SOURCE)
            assert caught.value.retry_after > 0
        [row] = house.code_set_rows(terminal)
        assert row.state == CodeSetState.CLAIMED
        with pytest.raises(Unavailable, match="custody of keys"):
            house.crl.publish(house.clock.now())
        query = ts_query(folder=tmp_path, run=run)
        refused = run("curl", "--silent", "--include", "--data-binary", f"@{query}", "-H", STAMP_TYPE, f"{doors.status}/tsa")
        assert "503" in refused.text.partition("\n")[0]
        assert "Retry-After" in refused.text
    finally:
        soft.put_back()
    with pytest.raises(Refused, match="codes-spent"):
        house.redemption.redeem(codes, new_request().pem, SOURCE)
    time.sleep(tokens.PAUSE)
    retrieved = house.redemption.redeem(codes, request.pem, SOURCE)
    assert retrieved.certificate.state == CertificateState.VALID
    assert retrieved.certificate.serial == row.serial
    parsed = x509.load_der_x509_certificate(retrieved.certificate.der or b"")
    parsed.verify_directly_issued_by(house.issuing.issuer.certificate)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, SoftToken]]:
    """Serve a demo home that keeps in a token whatever may be there; its PIN is a secret's file."""
    folder = tmp_path_factory.mktemp("demo")
    secrets = folder / "home" / "secrets"
    secrets.mkdir(parents=True)
    (secrets / "token_pin").touch(mode=0o600)
    (secrets / "token_pin").write_text(f"{PIN}\n", encoding="ascii")
    with soft_token(folder) as soft:
        settings = {"TEGATA_KEYS__CUSTODY": soft.uri, CONFIGURATION: str(soft.configuration)}
        made = found_demo(folder, settings=settings)
        with made.served():
            yield made, soft


def test_a_served_home_gives_certificates_by_keys_of_the_token(demo: tuple[Demo, SoftToken], tmp_path: Path) -> None:
    made, _ = demo
    assert {file.name for file in (made.home / "keys").glob("*.key")} == {
        *(f"tls-{door}.key" for door in ("portal", "retrieval", "center", "terminals")),
        "codes.key",
    }
    codes = json.loads(made.run("demo", "codes", "--terminals", "1", "--json").stdout)
    assert _retrieve(made, codes, tmp_path / "pc") == 0


def test_while_the_token_is_pulled_the_door_asks_for_patience_and_then_goes_on(
    demo: tuple[Demo, SoftToken], run: Runner, tmp_path: Path
) -> None:
    made, soft = demo
    codes = json.loads(made.run("demo", "codes", "--terminals", "1", "--json").stdout)
    assert _retrieve(made, codes, tmp_path / "other") == 0  # so the door's session is open
    codes = json.loads(made.run("demo", "codes", "--terminals", "1", "--json").stdout)
    soft.pull()
    try:
        told = _ask(made, run, codes, tmp_path)
        assert told.splitlines()[0].split()[1] == "503", told
        assert "\nretry-after: " in told.lower()
        assert soft.label not in told
    finally:
        soft.put_back()
    time.sleep(tokens.PAUSE)
    told = _ask(made, run, codes, tmp_path)
    assert told.splitlines()[0].split()[1] in {"200", "201"}, told


def test_no_log_of_the_home_tells_the_pin(demo: tuple[Demo, SoftToken]) -> None:
    made, _ = demo
    logs = [*(made.home / "logs").glob("*.log"), made.home.parent / "serve.log"]
    assert logs
    assert not [log for log in logs if PIN in log.read_text(encoding="utf-8", errors="replace")]


def _retrieve(demo: Demo, codes: dict[str, str], folder: Path) -> int:
    door = ("--server", demo.facts["retrieval"], "--ca", demo.root, "--out", folder)
    return demo.run("terminal", "retrieve", *door, "--inputs", "-", stdin=json.dumps(codes), check=False).returncode


def _ask(demo: Demo, run: Runner, codes: dict[str, str], folder: Path) -> str:
    """Post codes and the same request again and again with curl; return what came, headers first."""
    body = folder / "body.json"
    if not body.exists():
        names = ("access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code")
        body.write_text(json.dumps({name: codes[name] for name in names} | {"csr": new_request().pem.decode()}))
    url = f"{demo.facts['retrieval']}{PATH}"
    kind = "Content-Type: application/json"
    return run("curl", "-sS", "-i", "--cacert", demo.root, "-H", kind, "--data", f"@{body}", url).text
