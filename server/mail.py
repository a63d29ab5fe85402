"""How mail leaves: signed, into a maildir of the home or to an SMTP server.

A transport takes a letter, or raises DeliveryFailed; and Unavailable while the key that signs is away.
"""

import mailbox
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage, MIMEPart
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from ca.mail_signatures import MICALG
from kernel.outbox import DeliveryFailed, Letter
from server.return_address import ReturnAddress

Transport = Callable[[Letter], None]
# Seconds for each answer of the mail server.
PATIENCE = 20
# RFC 5321 §4.2.1: replies from 500 on are final.
PERMANENT = 500
_LINE = b"\r\n"


@dataclass(frozen=True)
class Sender:
    """Who the mails come from: an address, the name shown with it, and what signs for it.

    `sign` returns the detached signature (DER) of an entity's octets, or None where nothing signs mails; it raises Unavailable.
    """

    address: str
    name: str
    sign: Callable[[bytes], bytes | None] = field(default=lambda _: None, repr=False)
    # Where what cannot be delivered goes back to, so that each letter is told by it; None: to the sender's own address.
    back_to: ReturnAddress | None = None

    def envelope(self, letter: Letter) -> str:
        """Return the sender in the envelope (RFC 5321 §3.6.3): where notifications about the letter go."""
        return self.back_to.of(letter.return_token) if self.back_to and letter.return_token else self.address

    def octets(self, letter: Letter) -> bytes:
        """Return the letter as a message that a machine sent (RFC 3834), in UTF-8 and base64, signed (RFC 8551 §3.5.3)."""
        content = _content(letter).as_bytes()
        header = self._header(letter).as_bytes().removesuffix(_LINE)
        signature = self.sign(content)
        if signature is None:
            return header + content
        # Put together by hand: what was signed must not be written anew. The line end before a delimiter is the delimiter's.
        boundary = f"signed-{letter.message_id}"
        kind = (
            'Content-Type: multipart/signed; protocol="application/pkcs7-signature";\r\n'
            f' micalg={MICALG}; boundary="{boundary}"\r\n\r\n'
        )
        delimiter = b"--" + boundary.encode()
        parts = (delimiter, content, delimiter, _signature_part(signature), delimiter + b"--", b"")
        return header + kind.encode() + _LINE.join(parts)

    def _header(self, letter: Letter) -> EmailMessage:
        header = EmailMessage(policy=SMTP)
        user, _, domain = self.address.rpartition("@")
        header["From"] = Address(self.name, user, domain)
        header["To"] = letter.recipient
        header["Subject"] = letter.subject
        header["Date"] = format_datetime(letter.created_at)
        # The same letter has the same identifier however often it is tried: receivers drop repetitions by it.
        header["Message-ID"] = f"<{letter.message_id}@{domain}>"
        header["Auto-Submitted"] = "auto-generated"
        header["MIME-Version"] = "1.0"
        return header


@dataclass(frozen=True)
class Maildir:
    """Mail as files in a folder: for trials, where nothing must leave the machine."""

    folder: Path
    sender: Sender

    def __call__(self, letter: Letter) -> None:
        """File a letter as new."""
        octets = self.sender.octets(letter)
        try:
            mailbox.Maildir(self.folder, create=True).add(octets)
        except OSError as error:
            raise DeliveryFailed(f"maildir: {error.strerror}") from error


@dataclass(frozen=True)
class SmtpServer:
    """Where an SMTP server is and how to speak to it.

    `starttls` is `required`, `offered` (used when the server has it) or `never`; `implicit` is TLS from the first octet.
    """

    host: str
    port: int
    implicit: bool = False
    starttls: str = "offered"
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None

    @contextmanager
    def connection(self) -> Iterator[smtplib.SMTP]:
        """Open a session, encrypted and authenticated as the settings say."""
        context = ssl.create_default_context(cafile=str(self.ca_file) if self.ca_file else None)
        if self.implicit:
            with smtplib.SMTP_SSL(self.host, self.port, timeout=PATIENCE, context=context) as server:
                self._log_in(server)
                yield server
            return
        with smtplib.SMTP(self.host, self.port, timeout=PATIENCE) as server:
            server.ehlo()
            if self.starttls == "required" or (self.starttls == "offered" and server.has_extn("starttls")):
                server.starttls(context=context)
            self._log_in(server)
            yield server

    def _log_in(self, server: smtplib.SMTP) -> None:
        if self.user is not None:
            server.login(self.user, self.password or "")


@dataclass(frozen=True)
class Smtp:
    """Mail handed to an SMTP server."""

    server: SmtpServer
    sender: Sender

    def __call__(self, letter: Letter) -> None:
        """Hand a letter over; it is the server's once this returns."""
        octets = self.sender.octets(letter)
        try:
            with self.server.connection() as connection:
                sender = self.sender.envelope(letter)
                connection.sendmail(sender, [letter.recipient], octets, *self._asked_for(connection, letter))
        except smtplib.SMTPRecipientsRefused as refusal:
            code, reason = next(iter(refusal.recipients.values()))
            raise _failure(code, reason, permanent=code >= PERMANENT) from refusal
        except smtplib.SMTPDataError as refusal:
            raise _failure(refusal.smtp_code, refusal.smtp_error, permanent=refusal.smtp_code >= PERMANENT) from refusal
        except smtplib.SMTPResponseException as refusal:
            # Greeting, log-in, sender: the fault is between us and the server, not the letter's. It can be mended.
            raise _failure(refusal.smtp_code, refusal.smtp_error, permanent=False) from refusal
        except (smtplib.SMTPException, OSError) as error:
            raise DeliveryFailed(f"{self.server.host}:{self.server.port}: {error}") from error

    def _asked_for(self, connection: smtplib.SMTP, letter: Letter) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """Return what is asked of a server that knows notifications (RFC 3461): failures and delays, without the text.

        A text that comes back could have a one-time link in it (§4.3).
        """
        connection.ehlo_or_helo_if_needed()
        if self.sender.back_to is None or not connection.has_extn("dsn"):
            return (), ()
        return ("RET=HDRS", f"ENVID={letter.return_token}"), ("NOTIFY=FAILURE,DELAY",)


def smtp_server(url: str, *, password: str | None, ca_file: Path | None) -> SmtpServer:
    """Read `smtp://[USER@]HOST[:PORT][?starttls[=…]]` or `smtps://…`; with a user, STARTTLS is required unless said otherwise."""
    parts = urlsplit(url)
    implicit = parts.scheme == "smtps"
    user = unquote(parts.username) if parts.username else None
    usual = "required" if user or parts.query == "starttls" else "offered"
    return SmtpServer(
        host=parts.hostname or "localhost",
        port=parts.port or (465 if implicit else 587 if user else 25),
        implicit=implicit,
        starttls=parts.query.partition("=")[2] or usual,
        user=user,
        password=password,
        ca_file=ca_file,
    )


def _content(letter: Letter) -> MIMEPart:
    """Return what a letter says as one entity: the part of the message that is signed."""
    content = MIMEPart(policy=SMTP)
    content.set_content(letter.body, charset="utf-8", cte="base64")
    if letter.attachment is not None:
        octets = letter.attachment.text.encode()
        content.add_attachment(octets, maintype="application", subtype="json", filename=letter.attachment.name)
    return content


def _signature_part(signature: bytes) -> bytes:
    part = MIMEPart(policy=SMTP)
    # RFC 8551 §3.2.1: old programs know a signature by its file's name.
    name = "smime.p7s"
    part.set_content(signature, maintype="application", subtype="pkcs7-signature", filename=name, params={"name": name})
    return part.as_bytes()


def _failure(code: int, reason: bytes | str, *, permanent: bool) -> DeliveryFailed:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    return DeliveryFailed(f"{code} {text}", permanent=permanent)
