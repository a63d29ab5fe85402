"""How mail leaves: into a maildir of the home, or to an SMTP server. A transport takes a letter or raises DeliveryFailed."""

import mailbox
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from urllib.parse import unquote, urlsplit

from kernel.outbox import DeliveryFailed, Letter

Transport = Callable[[Letter], None]
# Seconds for each answer of the mail server.
PATIENCE = 20
# RFC 5321 §4.2.1: replies from 500 on are final.
PERMANENT = 500


@dataclass(frozen=True)
class Sender:
    """Who the mails come from: an address, and the name shown with it."""

    address: str
    name: str

    def message(self, letter: Letter) -> EmailMessage:
        """Return the letter as a message that a machine sent (RFC 3834), in UTF-8 and base64."""
        message = EmailMessage(policy=SMTP)
        user, _, domain = self.address.rpartition("@")
        message["From"] = Address(self.name, user, domain)
        message["To"] = letter.recipient
        message["Subject"] = letter.subject
        message["Date"] = format_datetime(letter.created_at)
        # The same letter has the same identifier however often it is tried: receivers drop repetitions by it.
        message["Message-ID"] = f"<{letter.message_id}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(letter.body, charset="utf-8", cte="base64")
        if letter.attachment is not None:
            content = letter.attachment.text.encode()
            message.add_attachment(content, maintype="application", subtype="json", filename=letter.attachment.name)
        return message


@dataclass(frozen=True)
class Maildir:
    """Mail as files in a folder: for trials, where nothing must leave the machine."""

    folder: Path
    sender: Sender

    def __call__(self, letter: Letter) -> None:
        """File a letter as new."""
        try:
            mailbox.Maildir(self.folder, create=True).add(self.sender.message(letter).as_bytes())
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
        try:
            with self.server.connection() as connection:
                connection.send_message(self.sender.message(letter), self.sender.address, [letter.recipient])
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


def _failure(code: int, reason: bytes | str, *, permanent: bool) -> DeliveryFailed:
    text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
    return DeliveryFailed(f"{code} {text}", permanent=permanent)
