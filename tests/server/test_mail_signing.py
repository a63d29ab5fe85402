"""The mails of a real home are signed by the ceremony's certificate: judged by OpenSSL, twice, and by Python."""

import base64
import email
import email.policy
import hashlib
import mailbox
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from asn1crypto import cms
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from ca import certificates, revocation
from ca.plan import MAIL
from ca.revocation import Reason
from kernel import outbox
from kernel.errors import Unavailable
from kernel.outbox import Letter, MailState, Wanted
from server.apps.jobs import all_jobs
from server.delivering import carrier_of
from server.mail import Maildir, Sender
from server.mail_signing import MailSigning
from server.wiring import home_of
from tests.conftest import FreshDatabase
from tests.crash.homes import RealHome, found_home
from tests.support.clock import MORNING, SettableClock

RECEIPT = outbox.Attachment("receipt.json", '{"証明": 1}')
BODY = "通関 花子 様\n\n終わりました。\n.\n行頭の点、そして長い行。" + "あ" * 2_000 + "\n"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, sqlite_databases: FreshDatabase) -> Iterator[RealHome]:
    """Found one home for this module."""
    with sqlite_databases() as url:
        made = found_home(tmp_path_factory.mktemp("home"), url)
        yield made
        made.house.database.dispose()


@pytest.fixture
def clock(home: RealHome) -> SettableClock:
    """Return a clock within the time of the home's certificates."""
    return SettableClock(home.house.clock.now())


def _letter(body: str = BODY, attachment: outbox.Attachment | None = None) -> Letter:
    return Letter("abc123", "hanako@example.jp", "【NSS】お知らせ", body, MORNING, attachment)


def _signed(home: RealHome, clock: SettableClock, letter: Letter) -> bytes:
    return Sender("no-reply@example.jp", "センター", MailSigning(home.settings, home.house.database, clock)).octets(letter)


def _openssl(home: RealHome, octets: bytes, command: str, folder: Path) -> subprocess.CompletedProcess[bytes]:
    (folder / "mail.eml").write_bytes(octets)
    root = str(home_of(home.settings).root_bundle)
    parts = ["openssl", command, "-verify", "-in", str(folder / "mail.eml"), "-CAfile", root, "-purpose", "smimesign"]
    return subprocess.run([*parts, "-signer", str(folder / "signer.pem")], capture_output=True, check=False)


@pytest.mark.parametrize("command", ["smime", "cms"])
@pytest.mark.parametrize("attachment", [None, RECEIPT])
def test_openssl_verifies_what_leaves_with_the_root_alone(
    home: RealHome, clock: SettableClock, tmp_path: Path, command: str, attachment: outbox.Attachment | None
) -> None:
    octets = _signed(home, clock, _letter(attachment=attachment))
    outcome = _openssl(home, octets, command, tmp_path)
    assert outcome.returncode == 0, outcome.stderr
    content = email.message_from_bytes(outcome.stdout, policy=email.policy.default)
    assert isinstance(content, EmailMessage)
    text = content.get_body()
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == BODY
    assert [part.get_content() for part in content.iter_attachments()] == ([RECEIPT.text.encode()] if attachment else [])
    signer = x509.load_pem_x509_certificate((tmp_path / "signer.pem").read_bytes())
    names = signer.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.RFC822Name) == ["no-reply@example.jp"]


@pytest.mark.parametrize("command", ["smime", "cms"])
def test_openssl_sees_a_changed_word(home: RealHome, clock: SettableClock, tmp_path: Path, command: str) -> None:
    octets = _signed(home, clock, _letter("終わりました。\n"))
    before, after = (base64.b64encode(text.encode()) for text in ("終わり", "始まり"))
    changed = octets.replace(before, after)
    assert changed != octets
    assert b"erif" in _openssl(home, changed, command, tmp_path).stderr


def test_the_signed_part_is_what_python_finds_between_the_delimiters(home: RealHome, clock: SettableClock) -> None:
    octets = _signed(home, clock, _letter())
    message = email.message_from_bytes(octets, policy=email.policy.default)
    assert message.get_content_type() == "multipart/signed"
    assert message.get_param("protocol") == "application/pkcs7-signature"
    assert message.get_param("micalg") == "sha-256"
    assert (message["Message-ID"], message["Auto-Submitted"]) == ("<abc123@example.jp>", "auto-generated")
    assert (message["Date"].datetime, message["To"]) == (MORNING, "hanako@example.jp")
    assert (message["MIME-Version"], message["Subject"]) == ("1.0", "【NSS】お知らせ")
    assert octets.isascii()
    assert max(map(len, octets.split(b"\r\n"))) <= 998  # RFC 5322 §2.1.1
    delimiter = b"\r\n--" + message.get_boundary("").encode()
    _, content, part, _ = octets.split(delimiter)
    content = content.removeprefix(b"\r\n")
    signature = email.message_from_bytes(part.removeprefix(b"\r\n"), policy=email.policy.default)
    assert (signature.get_content_type(), signature.get_filename()) == ("application/pkcs7-signature", "smime.p7s")
    signed = cms.ContentInfo.load(signature.get_content())["content"]
    assert signed["encap_content_info"]["content"].native is None
    [info] = signed["signer_infos"]
    attributes = {one["type"].native: one["values"][0] for one in info["signed_attrs"]}
    assert attributes["message_digest"].native == hashlib.sha256(content).digest()
    assert attributes["signing_time"].native == clock.now().replace(microsecond=0)
    given = [x509.load_der_x509_certificate(one.dump()) for one in signed["certificates"]]
    [own] = [one for one in given if one.serial_number == info["sid"].chosen["serial_number"].native]
    [above] = [one for one in given if one is not own]
    own.verify_directly_issued_by(above)
    assert above.issuer != above.subject  # the root is the receiver's to have
    key = own.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(info["signature"].native, info["signed_attrs"].untag().dump(), ec.ECDSA(hashes.SHA256()))
    certified = attributes["signing_certificate_v2"]["certs"][0]["cert_hash"].native
    assert certified == own.fingerprint(hashes.SHA256())


def test_a_key_that_is_away_delays_mails_however_long_and_loses_none(home: RealHome, clock: SettableClock) -> None:
    database = home.house.database
    with database.transaction() as session:
        outbox.post(
            session, now=clock.now(), recipient="kept@example.jp", subject="【NSS】待つ", body="本文\n", office_code="NAC001"
        )
    wanted = Wanted(recipient="KEPT@example.jp")
    path = home_of(home.settings).keys / f"{MAIL}.key"
    away = path.rename(path.with_suffix(".away"))
    for _ in range(6):
        with pytest.raises(Unavailable, match="key that signs mails"):
            outbox.deliver(database, carrier_of(home.settings, database, clock), now=clock.now())
        with database.snapshot() as session:
            [mail] = outbox.search(session, wanted)
        assert (mail.state, mail.attempts) == (MailState.WAITING, 0)
        assert "key" in (mail.last_error or "")
        clock.advance(timedelta(days=1))
    away.rename(path)
    outbox.deliver(database, carrier_of(home.settings, database, clock), now=clock.now())
    with database.snapshot() as session:
        [mail] = outbox.search(session, wanted)
    assert (mail.state, mail.last_error) == (MailState.SENT, None)
    bodies = [message.as_bytes() for message in mailbox.Maildir(home_of(home.settings).mail)]
    assert any(b"kept@example.jp" in octets and b"multipart/signed" in octets for octets in bodies)


def test_mails_from_another_address_than_the_certificates_leave_unsigned(home: RealHome, clock: SettableClock) -> None:
    moved = home.settings.model_copy(update={"mail_from": "other@example.jp"})
    assert MailSigning(moved, home.house.database, clock)(b"content") is None


def test_without_a_certificate_mails_leave_unsigned(tmp_path: Path, sqlite_databases: FreshDatabase) -> None:
    with sqlite_databases() as url:
        home = found_home(tmp_path, url)
        database, clock = home.house.database, SettableClock(home.house.clock.now())
        sign = MailSigning(home.settings, database, clock, look_each=0)
        assert sign(b"content") is not None
        with database.snapshot() as session:
            signer = next(one for one in certificates.of_subject(session, MAIL))
        with database.transaction() as session:
            revocation.revoke(session, signer.issuer, signer.serial, reason=Reason.SUPERSEDED, now=clock.now())
        assert sign(b"content") is None
        database.dispose()


def test_mails_come_back_to_their_own_address_where_it_is_set(home: RealHome, clock: SettableClock) -> None:
    database = home.house.database
    is_set = home.settings.model_copy(update={"mail_bounces": Path("/nowhere"), "mail_bounce_address": "bounces@example.jp"})
    letter = replace(_letter(), return_token="0" * 32)
    for chosen, sender, jobs in (
        (home.settings, "no-reply@example.jp", []),
        (is_set, f"bounces+{'0' * 32}@example.jp", ["bounces"]),
    ):
        transport = carrier_of(chosen, database, clock).transport
        assert isinstance(transport, Maildir)
        assert transport.sender.envelope(letter) == sender
        assert [job.name for job in all_jobs(chosen, database) if job.name == "bounces"] == jobs
