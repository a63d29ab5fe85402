"""Mails that leave, and come back later: told by their own address, shown as undelivered, once."""

import contextlib
import os
import socketserver
import stat
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from kernel import outbox
from kernel.database import Database
from kernel.errors import Unavailable
from kernel.outbox import MailState, MailView, Wanted
from server.bounces import Bounces
from server.mail import Sender, Smtp, smtp_server
from server.return_address import ReturnAddress
from tests.server.returned import NO_SUCH_USER, TOKEN, TOO_LATE, report
from tests.server.test_mail import running

ADDRESS = ReturnAddress("bounces@example.jp")
SENDER = Sender("no-reply@example.jp", "センター", back_to=ADDRESS)
HOUR = timedelta(hours=1)
ARRIVED = "Final-Recipient: rfc822; hanako@customer.example\nAction: delivered\nStatus: 2.0.0\n"


class Relay:
    """A mail server that takes everything and finds out later: then it writes to the envelope's sender, into a Maildir."""

    def __init__(self, folder: Path, about: str = NO_SUCH_USER) -> None:
        self.folder, self.about = folder, about
        self.senders: list[str] = []
        for name in ("new", "cur", "tmp"):
            (folder / name).mkdir(parents=True)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 (aiosmtpd's name)
        del server, session
        self.senders.append(envelope.mail_from or "")
        return "250 OK"

    def report_all(self) -> None:
        """Write about all that was taken."""
        for sender in self.senders:
            self.put(report(self.about, head=f"Delivered-To: {sender}\n"))

    def put(self, content: bytes, name: str = "") -> Path:
        """Put a mail into the folder, as a delivery does."""
        made = self.folder / "tmp" / (name or f"1763800000.{len(self.names('new')) + len(self.names('cur'))}.mail")
        made.write_bytes(content)
        return made.rename(self.folder / "new" / made.name)

    def names(self, part: str) -> list[str]:
        """Return the files' names in a part of the folder."""
        return sorted(path.name for path in (self.folder / part).iterdir())


@pytest.fixture
def relay(tmp_path: Path) -> Relay:
    return Relay(tmp_path / "bounces")


@pytest.fixture
def bounces(database: Database, relay: Relay) -> Bounces:
    return Bounces(database, relay.folder, ADDRESS)


def _deliver(database: Database, relay: Relay, now: datetime) -> int:
    with running(relay) as address:  # type: ignore[arg-type]
        return outbox.deliver(database, Smtp(smtp_server(f"smtp://{address}", password=None, ca_file=None), SENDER), now=now)


def _post(database: Database, now: datetime, recipient: str = "hanako@customer.example") -> None:
    with database.transaction() as session:
        outbox.post(session, now=now, recipient=recipient, subject="受付", body="本文", office_code="NAC001")


def _mails(database: Database) -> tuple[MailView, ...]:
    with database.snapshot() as session:
        return outbox.search(session, Wanted())


def test_what_comes_back_is_shown_as_undelivered_and_can_be_sent_again(
    database: Database, relay: Relay, bounces: Bounces, now: datetime
) -> None:
    _post(database, now)
    assert _deliver(database, relay, now) == 1
    assert (_mails(database)[0].state, bounces.read_due(now)) == (MailState.SENT, 0)
    relay.report_all()
    assert bounces.read_due(now + HOUR) == 1
    [mail] = _mails(database)
    assert (mail.state, mail.sent_at, mail.bounced_at) == (MailState.FAILED, now, now + HOUR)
    assert (mail.last_error or "").startswith("5.1.1 550 5.1.1 <hanako@customer.example>")
    assert (relay.names("new"), len(relay.names("cur"))) == ([], 1)
    assert relay.names("cur")[0].endswith(":2,S")
    with database.transaction() as session:
        assert outbox.failing_addresses(session, "NAC001", now=now + HOUR) == ((mail.recipient, mail.created_at),)
        outbox.send_again(session, mail.id, now=now + 2 * HOUR)
    assert _deliver(database, relay, now + 2 * HOUR) == 1
    [again] = _mails(database)
    assert (again.state, again.sent_at, again.bounced_at, again.last_error) == (MailState.SENT, now + 2 * HOUR, None, None)
    assert len(set(relay.senders)) == 2


def test_what_comes_back_of_an_earlier_time_says_nothing_about_the_later_one(
    database: Database, relay: Relay, bounces: Bounces, now: datetime
) -> None:
    _post(database, now)
    _deliver(database, relay, now)
    relay.report_all()
    bounces.read_due(now)
    with database.transaction() as session:
        outbox.send_again(session, _mails(database)[0].id, now=now)
    _deliver(database, relay, now)
    relay.senders.pop()
    relay.report_all()
    assert bounces.read_due(now) == 0
    assert _mails(database)[0].state is MailState.SENT
    assert [name[-1] for name in relay.names("cur")] == ["S", "F"]


def test_the_same_notification_twice_changes_a_mail_once(
    database: Database, relay: Relay, bounces: Bounces, now: datetime
) -> None:
    _post(database, now)
    _deliver(database, relay, now)
    relay.report_all()
    relay.report_all()
    assert bounces.read_due(now) == 1
    [mail] = _mails(database)
    # As after an interruption between the note and the move.
    (relay.folder / "cur" / relay.names("cur")[0]).rename(relay.folder / "new" / "again")
    assert bounces.read_due(now + HOUR) == 0
    assert _mails(database) == (mail,)


def test_a_delay_is_noted_and_nothing_else_changes(database: Database, relay: Relay, bounces: Bounces, now: datetime) -> None:
    relay.about = TOO_LATE
    _post(database, now)
    _deliver(database, relay, now)
    relay.report_all()
    assert bounces.read_due(now) == 1
    [mail] = _mails(database)
    assert (mail.state, mail.bounced_at, mail.delayed_at) == (MailState.SENT, None, now)
    assert (mail.last_error or "").startswith("4.4.1")
    relay.about = NO_SUCH_USER
    relay.report_all()
    assert bounces.read_due(now + HOUR) == 1
    relay.about = TOO_LATE  # one that was slower on its way
    relay.report_all()
    assert bounces.read_due(now + HOUR) == 0
    assert _mails(database)[0].state is MailState.FAILED


def test_what_is_not_about_a_mail_of_ours_is_put_aside_for_a_person(
    database: Database, relay: Relay, bounces: Bounces, now: datetime
) -> None:
    _post(database, now)
    _deliver(database, relay, now)
    own = relay.senders[0]
    foreign = {
        "a-reply": b"Subject: I am away\n\nuntil Monday\n",
        "b-unknown": report(NO_SUCH_USER),
        "c-nobodys": report(NO_SUCH_USER, head="To: bounces@example.jp\n"),
        "d-several": report(NO_SUCH_USER, head=f"To: {own}\nDelivered-To: bounces+{TOKEN}@example.jp\n"),
        "e-large": report(NO_SUCH_USER, head=f"To: {own}\n") + b"x" * 600_000,
        "f-name:2,": b"",
        "g-\udcff\n": b"",
    }
    for name, content in foreign.items():
        relay.put(content, name)
    (relay.folder / "new" / "h-link").symlink_to("/etc/hostname")
    (relay.folder / "new" / "i-folder").mkdir()
    os.mkfifo(relay.folder / "new" / "j-pipe")
    assert bounces.read_due(now) == 0
    assert relay.names("new") == []
    assert len(relay.names("cur")) == len(foreign) + 3
    assert {name[-3:] for name in relay.names("cur")} == {"2,F"}
    assert (relay.folder / "cur" / "a-reply:2,F").read_bytes() == foreign["a-reply"]
    assert _mails(database)[0].state is MailState.SENT


def test_nothing_in_the_folder_is_ever_overwritten(relay: Relay, bounces: Bounces, now: datetime) -> None:
    for content in (b"first", b"second"):
        relay.put(content, "same")
        bounces.read_due(now)
    assert sorted((relay.folder / "cur" / name).read_bytes() for name in relay.names("cur")) == [b"first", b"second"]


def test_a_delivered_report_changes_nothing(database: Database, relay: Relay, bounces: Bounces, now: datetime) -> None:
    relay.about = ARRIVED
    _post(database, now)
    _deliver(database, relay, now)
    relay.report_all()
    assert bounces.read_due(now) == 0
    assert (_mails(database)[0].state, _mails(database)[0].last_error) == (MailState.SENT, None)
    assert relay.names("cur")[0].endswith(":2,S")


@pytest.mark.parametrize("first", [TOO_LATE, ARRIVED], ids=["late first", "arrived first"])
def test_what_arrived_after_all_is_late_no_more_in_whatever_order_that_is_told(
    database: Database, relay: Relay, bounces: Bounces, now: datetime, first: str
) -> None:
    _post(database, now)
    _deliver(database, relay, now)
    for relay.about in (first, ARRIVED if first is TOO_LATE else TOO_LATE):
        relay.report_all()
        bounces.read_due(now + HOUR)
    [mail] = _mails(database)
    assert (mail.state, mail.sent_at, mail.delayed_at, mail.last_error) == (MailState.SENT, now, None, None)
    # A server beyond that one may still find out that nobody is there.
    relay.about = NO_SUCH_USER
    relay.report_all()
    assert bounces.read_due(now + 2 * HOUR) == 1
    assert _mails(database)[0].state is MailState.FAILED


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_folder_that_cannot_be_used_is_told(database: Database, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(Unavailable, match="no Maildir that can be used here"):
        Bounces(database, tmp_path / "absent", ADDRESS).read_due(now)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_file_that_may_not_be_read_holds_up_nothing(relay: Relay, bounces: Bounces, now: datetime) -> None:
    relay.put(b"secret").chmod(0)
    assert bounces.read_due(now) == 0
    [filed] = (relay.folder / "cur").iterdir()
    assert (filed.name[-1], stat.S_IMODE(filed.stat().st_mode)) == ("F", 0)


class _Dialogue(socketserver.StreamRequestHandler):
    """An SMTP server that knows notifications (RFC 3461), which aiosmtpd does not; it keeps what was said."""

    def handle(self) -> None:
        """Hold the dialogue of one mail."""
        heard: list[str] = self.server.heard  # type: ignore[attr-defined]
        self.wfile.write(b"220 here\r\n")
        for line in self.rfile:
            heard.append(line.decode().strip())
            word = heard[-1].partition(" ")[0].upper()
            if word == "DATA":
                self.wfile.write(b"354 go on\r\n")
                while self.rfile.readline() != b".\r\n":
                    pass
            answers = {"EHLO": "250-here\r\n250 DSN", "QUIT": "221 bye"}
            self.wfile.write(f"{answers.get(word, '250 OK')}\r\n".encode())
            if word == "QUIT":
                return


@contextlib.contextmanager
def _knowing_notifications() -> Iterator[tuple[str, list[str]]]:
    with socketserver.TCPServer(("127.0.0.1", 0), _Dialogue) as server:
        server.heard = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"127.0.0.1:{server.server_address[1]}", server.heard  # type: ignore[attr-defined]
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_a_server_that_knows_notifications_is_asked_for_failures_and_delays_without_the_text(
    database: Database, now: datetime
) -> None:
    _post(database, now)
    for sender in (SENDER, Sender("no-reply@example.jp", "センター")):
        with _knowing_notifications() as (address, heard):
            sent = outbox.deliver(database, Smtp(smtp_server(f"smtp://{address}", password=None, ca_file=None), sender), now=now)
        assert sent == 1
        [mail_from] = [line for line in heard if line.startswith("mail FROM")]
        [recipient] = [line for line in heard if line.startswith("rcpt TO")]
        if sender.back_to is None:
            assert (mail_from, recipient) == ("mail FROM:<no-reply@example.jp>", "rcpt TO:<hanako@customer.example>")
        else:
            token = ADDRESS.token(mail_from.partition("<")[2].partition(">")[0])
            assert mail_from.split(" ")[2:] == ["RET=HDRS", f"ENVID={token}"]
            assert recipient == "rcpt TO:<hanako@customer.example> NOTIFY=FAILURE,DELAY"
        _post(database, now)
