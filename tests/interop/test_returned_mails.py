"""Mails that a real mail server could not deliver come back by what it writes itself, and are told as they are."""

import time
from collections.abc import Callable, Iterator

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from kernel import outbox
from kernel.clock import SystemClock
from kernel.database import Database
from kernel.outbox import MailState, MailView
from server import delivery_reports
from server.bounces import Bounces
from server.mail import Sender, Smtp, smtp_server
from server.return_address import ReturnAddress
from tests.server.test_mail import running
from tests.support import exim
from tests.support.exim import Exim

# What a mail server writes does not depend on what lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
ADDRESS = ReturnAddress("bounces@example.jp")
SECRET = "https://portal.example.jp/account/password#SECRET"
NOBODY, FULL, AWAY, LATE = "nobody@a.example", "full@a.example", "away@a.example", "hanako@late.example"


class Destination:
    """The server of those to whom we write, which knows its people by their names."""

    def __init__(self) -> None:
        self.is_away = True
        self.arrived: list[str] = []

    async def handle_RCPT(  # noqa: N802 (aiosmtpd's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address == NOBODY:
            return "550 5.1.1 no such mailbox"
        if address == AWAY or (address == LATE and self.is_away):
            return "451 4.3.2 come back later"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        del server, session
        if FULL in envelope.rcpt_tos:
            return "552 5.2.2 mailbox full"
        self.arrived += envelope.rcpt_tos
        return "250 OK"


@pytest.fixture
def destination() -> Destination:
    return Destination()


@pytest.fixture
def relay(destination: Destination) -> Iterator[Exim]:
    with running(destination) as address, exim.running(int(address.rpartition(":")[2])) as started:  # type: ignore[arg-type]
        yield started


def _mail(database: Database, recipient: str) -> MailView:
    with database.snapshot() as session:
        [mail] = outbox.search(session, outbox.Wanted(recipient=recipient))
    return mail


def _await(relay: Exim, bounces: Bounces, has_come: Callable[[], bool]) -> None:
    """Read what has come back, as the job does it, until something is so."""
    deadline = time.monotonic() + 60
    while not has_come():
        assert time.monotonic() < deadline, relay.log
        time.sleep(0.1)
        bounces.read_due(SystemClock().now())


def test_what_a_real_mail_server_writes_of_undeliverable_mails_is_understood(
    database: Database, relay: Exim, destination: Destination
) -> None:
    now = SystemClock().now()
    with database.transaction() as session:
        for recipient in (NOBODY, FULL, AWAY, LATE):
            outbox.post(session, now=now, recipient=recipient, subject="【NSS】受付", body=SECRET, office_code="NAC001")
    server = smtp_server(f"smtp://127.0.0.1:{relay.port}", password=None, ca_file=None)
    sender = Sender("no-reply@example.jp", "センター", back_to=ADDRESS)
    assert outbox.deliver(database, Smtp(server, sender), now=now) == 4
    bounces = Bounces(database, relay.bounces, ADDRESS)

    _await(relay, bounces, lambda: all(_mail(database, one).bounced_at for one in (NOBODY, FULL, AWAY)))
    for recipient, reason in ((NOBODY, "550 5.1.1 no such mailbox"), (FULL, "552 5.2.2 mailbox full"), (AWAY, "retry timeout")):
        mail = _mail(database, recipient)
        assert mail.state is MailState.FAILED
        assert reason in (mail.last_error or ""), mail.last_error

    _await(relay, bounces, lambda: _mail(database, LATE).delayed_at is not None)
    late = _mail(database, LATE)
    assert late.state is MailState.SENT
    assert "451 4.3.2 come back later" in (late.last_error or "")
    destination.is_away = False
    _await(relay, bounces, lambda: LATE in destination.arrived)
    bounces.read_due(SystemClock().now())
    assert _mail(database, LATE).state is MailState.SENT

    filed = list((relay.bounces / "cur").iterdir())
    # Each notification was understood, and none brought back what could have been a link.
    assert {path.name[-3:] for path in filed} == {"2,S"}
    assert not any(SECRET in path.read_text(errors="replace") for path in filed)
    assert {delivery_reports.read(path.read_bytes()).outcome.name for path in filed} == {"FAILED", "DELAYED"}
