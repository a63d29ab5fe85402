import contextlib
import email
import email.policy
import mailbox
import ssl
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from kernel.outbox import DeliveryFailed, Letter
from server.mail import Maildir, Sender, Smtp, smtp_server
from tests.server.pki import TrialCa
from tests.support.ports import free_port

SENDER = Sender("no-reply@example.jp", "センター")
LETTER = Letter(
    message_id="abc123",
    recipient="hanako@example.jp",
    subject="【NSS】利用申込確認完了のお知らせ",
    body="通関 花子 様\n\n審査が完了しました。\n" + "長い行です。" * 200 + "\n",
    created_at=datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC),
)


class Postmaster:
    """An SMTP server's rules: `reply` answers DATA, `refused` recipients are answered `550`."""

    def __init__(self, reply: str = "250 OK") -> None:
        self.reply = reply
        self.letters: list[bytes] = []

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address.startswith("nobody"):
            return "550 no such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        del server, session
        if self.reply.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.letters.append(envelope.content)
        return self.reply


@contextlib.contextmanager
def running(postmaster: Postmaster, **options: object) -> Iterator[str]:
    """Run a real SMTP server on loopback and return `localhost:PORT`."""
    port = free_port()
    controller = Controller(postmaster, hostname="127.0.0.1", port=port, **options)  # type: ignore[arg-type]
    controller.start()
    try:
        yield f"localhost:{port}"
    finally:
        controller.stop()


def transport(url: str, *, password: str | None = None, ca_file: Path | None = None) -> Smtp:
    return Smtp(smtp_server(url, password=password, ca_file=ca_file), SENDER)


def parsed(raw: bytes) -> email.message.EmailMessage:
    return email.message_from_bytes(raw, policy=email.policy.default)


def assert_is_the_letter(raw: bytes) -> None:
    message = parsed(raw)
    assert message["Subject"] == LETTER.subject
    assert message["To"] == LETTER.recipient
    assert message["From"] == "センター <no-reply@example.jp>"
    assert message["Message-ID"] == "<abc123@example.jp>"
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Date"].datetime == LETTER.created_at
    assert message["Content-Transfer-Encoding"] == "base64"
    assert message.get_content().replace("\r\n", "\n") == LETTER.body
    assert raw.isascii()
    assert max(map(len, raw.split(b"\r\n" if b"\r\n" in raw else b"\n"))) <= 998  # RFC 5322 §2.1.1


def test_a_maildir_takes_letters_as_files(tmp_path: Path) -> None:
    deliver = Maildir(tmp_path / "mail", SENDER)
    deliver(LETTER)
    deliver(LETTER)
    stored = [message.as_bytes() for message in mailbox.Maildir(tmp_path / "mail")]
    assert len(stored) == 2
    assert_is_the_letter(stored[0])


def test_a_maildir_that_cannot_be_written_is_a_failure_to_try_again(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("a file stands in the way")
    with pytest.raises(DeliveryFailed) as caught:
        Maildir(tmp_path / "mail", SENDER)(LETTER)
    assert not caught.value.permanent


def test_what_was_signed_arrives_octet_for_octet() -> None:
    sender = Sender("no-reply@example.jp", "センター", lambda content: b"signature of " + content[:20])
    postmaster = Postmaster()
    with running(postmaster) as address:
        Smtp(smtp_server(f"smtp://{address}", password=None, ca_file=None), sender)(LETTER)
    assert postmaster.letters == [sender.octets(LETTER)]
    content, signature = parsed(postmaster.letters[0]).iter_parts()
    assert content.get_content().replace("\r\n", "\n") == LETTER.body
    assert signature.get_content() == b"signature of Content-Type: text/p"


def test_an_smtp_server_gets_the_letter() -> None:
    postmaster = Postmaster()
    with running(postmaster) as address:
        transport(f"smtp://{address}")(LETTER)
    assert_is_the_letter(postmaster.letters[0])


@pytest.mark.parametrize(("reply", "permanent"), [("451 try later", False), ("554 no thanks", True)])
def test_a_refused_letter_is_tried_again_or_not_as_the_server_says(reply: str, permanent: bool) -> None:  # noqa: FBT001
    with running(Postmaster(reply)) as address, pytest.raises(DeliveryFailed, match=reply) as caught:
        transport(f"smtp://{address}")(LETTER)
    assert caught.value.permanent is permanent


def test_an_unknown_recipient_is_permanent() -> None:
    letter = Letter("x", "nobody@example.jp", "s", "b", LETTER.created_at)
    with running(Postmaster()) as address, pytest.raises(DeliveryFailed, match="550 no such mailbox") as caught:
        transport(f"smtp://{address}")(letter)
    assert caught.value.permanent


def test_an_absent_server_is_a_failure_to_try_again() -> None:
    port = free_port()
    with pytest.raises(DeliveryFailed) as caught:
        transport(f"smtp://localhost:{port}")(LETTER)
    assert not caught.value.permanent


@pytest.fixture
def tls_options(tmp_path: Path) -> dict[str, object]:
    chain, key = TrialCa(tmp_path, "ours").issue("mail", server=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain, key)

    def check(_server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, typed: LoginPassword) -> AuthResult:
        return AuthResult(success=typed.login == b"tegata" and typed.password == b"right", handled=False)

    return {"tls_context": context, "require_starttls": True, "auth_required": True, "authenticator": check}


def test_starttls_and_log_in_are_done(tmp_path: Path, tls_options: dict[str, object]) -> None:
    postmaster = Postmaster()
    with running(postmaster, **tls_options) as address:
        transport(f"smtp://tegata@{address}", password="right", ca_file=tmp_path / "ours.pem")(LETTER)
    assert_is_the_letter(postmaster.letters[0])


def test_a_wrong_password_is_our_fault_and_not_the_letters(tmp_path: Path, tls_options: dict[str, object]) -> None:
    with running(Postmaster(), **tls_options) as address, pytest.raises(DeliveryFailed, match="535") as caught:
        transport(f"smtp://tegata@{address}", password="wrong", ca_file=tmp_path / "ours.pem")(LETTER)
    assert not caught.value.permanent


def test_a_server_with_an_untrusted_certificate_gets_nothing(tls_options: dict[str, object]) -> None:
    postmaster = Postmaster()
    with running(postmaster, **tls_options) as address, pytest.raises(DeliveryFailed, match="certificate verify failed"):
        transport(f"smtp://tegata@{address}", password="right")(LETTER)
    assert postmaster.letters == []


def test_a_password_is_never_sent_in_clear() -> None:
    postmaster = Postmaster()
    with running(postmaster) as address, pytest.raises(DeliveryFailed):
        transport(f"smtp://tegata@{address}", password="right")(LETTER)
    assert postmaster.letters == []


def test_the_ports_follow_from_the_address() -> None:
    assert smtp_server("smtp://mail.example.jp", password=None, ca_file=None).port == 25
    assert smtp_server("smtp://a%40b@mail.example.jp", password="x", ca_file=None).user == "a@b"
    assert smtp_server("smtp://a@mail.example.jp", password="x", ca_file=None).port == 587
    assert smtp_server("smtp://mail.example.jp:587?starttls", password=None, ca_file=None).starttls == "required"
    assert smtp_server("smtp://mail.example.jp?starttls=never", password=None, ca_file=None).starttls == "never"
    assert smtp_server("smtps://mail.example.jp", password=None, ca_file=None).port == 465
