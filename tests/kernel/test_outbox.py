import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import select

from kernel import outbox
from kernel.database import Database
from kernel.errors import Refused
from kernel.outbox import BACKOFF, LAST_TRY, DeliveryFailed, Letter, MailState, OutboxMail


@dataclass
class Postman:
    """A transport that keeps what it is given, or fails as told."""

    failure: BaseException | None = None
    bag: list[Letter] = field(default_factory=list)

    def __call__(self, letter: Letter) -> None:
        self.bag.append(letter)
        if self.failure is not None:
            raise self.failure


def _post(database: Database, now: datetime, *recipients: str) -> None:
    with database.transaction() as session:
        for recipient in recipients:
            outbox.post(session, now=now, recipient=recipient, subject="受付", body="本文\nBody", office_code="NAC001")


def _mails(database: Database) -> list[OutboxMail]:
    with database.snapshot() as session:
        return list(session.scalars(select(OutboxMail).order_by(OutboxMail.id)))


def test_a_due_mail_is_handed_over_once(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp", "b@example.jp")
    postman = Postman()
    assert outbox.deliver(database, postman, now=now) == 2
    assert outbox.deliver(database, postman, now=now + LAST_TRY) == 0
    assert [letter.recipient for letter in postman.bag] == ["a@example.jp", "b@example.jp"]
    assert (postman.bag[0].subject, postman.bag[0].body, postman.bag[0].created_at) == ("受付", "本文\nBody", now)
    assert {mail.sent_at for mail in _mails(database)} == {now}


def test_a_mail_falls_with_the_deed_that_caused_it(database: Database, now: datetime) -> None:
    with pytest.raises(RuntimeError), database.transaction() as session:
        outbox.post(session, now=now, recipient="a@example.jp", subject="受付", body="本文")
        raise RuntimeError
    assert outbox.deliver(database, Postman(), now=now) == 0


def test_no_transaction_is_open_while_a_letter_is_handed_over(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")

    def use_the_database(letter: Letter) -> None:
        _post(database, now, f"copy-of-{letter.recipient}")

    assert outbox.deliver(database, use_the_database, now=now, at_most=1) == 1


def test_a_failed_mail_is_tried_again_at_growing_intervals_and_then_given_up(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")
    postman = Postman(DeliveryFailed("451 try later"))
    tries: list[datetime] = []
    for minutes in range(0, int(LAST_TRY.total_seconds()) // 60 + 600, 10):
        instant = now + timedelta(minutes=minutes)
        outbox.deliver(database, postman, now=instant)
        if len(postman.bag) > len(tries):
            tries.append(instant)
    waits = [after - before for before, after in pairwise(tries)]
    assert waits == sorted(waits)
    assert waits[-1] == BACKOFF[-1]
    assert tries[-1] < now + LAST_TRY
    [mail] = _mails(database)
    assert (mail.sent_at, mail.next_try_at, mail.attempts, mail.last_error) == (None, None, len(tries), "451 try later")


def test_a_permanent_failure_is_not_tried_again(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")
    postman = Postman(DeliveryFailed("550 no such user", permanent=True))
    assert outbox.deliver(database, postman, now=now) == 0
    assert outbox.deliver(database, Postman(), now=now + LAST_TRY) == 0
    [mail] = _mails(database)
    assert (mail.next_try_at, mail.last_error) == (None, "550 no such user")


def test_a_failure_does_not_hold_up_the_others(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp", "b@example.jp", "c@example.jp")
    sent: list[str] = []

    def refuse_a(letter: Letter) -> None:
        if letter.recipient == "a@example.jp":
            message = "451 try later"
            raise DeliveryFailed(message)
        sent.append(letter.recipient)

    assert outbox.deliver(database, refuse_a, now=now) == 2
    assert sent == ["b@example.jp", "c@example.jp"]


def test_success_after_failures_leaves_no_error(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")
    outbox.deliver(database, Postman(DeliveryFailed("451 try later")), now=now)
    assert outbox.deliver(database, Postman(), now=now + BACKOFF[0]) == 1
    [mail] = _mails(database)
    assert (mail.attempts, mail.last_error, mail.next_try_at) == (2, None, None)


def test_a_crash_while_sending_repeats_the_mail_under_the_same_message_id(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")
    crashed = Postman(KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        outbox.deliver(database, crashed, now=now)
    again = Postman()
    assert outbox.deliver(database, again, now=now) == 0
    assert outbox.deliver(database, again, now=now + BACKOFF[0]) == 1
    assert [letter.message_id for letter in again.bag] == [letter.message_id for letter in crashed.bag]


def test_no_more_than_asked_for_are_sent_in_one_run(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp", "b@example.jp", "c@example.jp")
    assert outbox.deliver(database, Postman(), now=now, at_most=2) == 2
    assert outbox.deliver(database, Postman(), now=now) == 1


def test_deliverers_at_the_same_time_never_send_a_mail_twice(database: Database, now: datetime) -> None:
    _post(database, now, *(f"{number}@example.jp" for number in range(30)))
    sent: Counter[str] = Counter()
    all_there = threading.Barrier(4)
    counting = threading.Lock()

    def hand_over(letter: Letter) -> None:
        if letter.recipient in {"0@example.jp", "1@example.jp", "2@example.jp", "3@example.jp"}:
            all_there.wait(60)  # each of the four holds a letter in its hands before any goes on
        with counting:
            sent[letter.recipient] += 1

    with ThreadPoolExecutor(4) as threads:
        counts = list(threads.map(lambda _: outbox.deliver(database, hand_over, now=now), range(4)))
    assert (sum(counts), len(sent), set(sent.values())) == (30, 30, {1})


def test_mails_are_read_by_state_office_and_what_they_mention(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")
    outbox.deliver(database, Postman(), now=now)
    _post(database, now, "b@example.jp")
    outbox.deliver(database, Postman(DeliveryFailed("550 no such user", permanent=True)), now=now)
    _post(database, now, "c@example.jp")
    outbox.deliver(database, Postman(DeliveryFailed("451 later")), now=now)
    with database.transaction() as session:
        outbox.post(session, now=now, recipient="d@example.jp", subject="別件", body="100% 260001A", office_code="NAC002")
    found = {
        outbox.Wanted(): "dcba",
        outbox.Wanted(state=MailState.SENT): "a",
        outbox.Wanted(state=MailState.FAILED): "b",
        outbox.Wanted(state=MailState.WAITING): "dc",
        outbox.Wanted(office_code="NAC001"): "cba",
        outbox.Wanted(mentioning="260001A"): "d",
        outbox.Wanted(mentioning="0%"): "d",
        outbox.Wanted(mentioning="%"): "d",
        outbox.Wanted(mentioning="999999Z"): "",
    }
    with database.snapshot() as session:
        for wanted, recipients in found.items():
            assert "".join(mail.recipient[0] for mail in outbox.search(session, wanted)) == recipients
            assert outbox.count(session, wanted) == len(recipients)
        assert [mail.recipient[0] for mail in outbox.search(session, outbox.Wanted(), first=1, most=2)] == ["c", "b"]
        failed = outbox.search(session, outbox.Wanted(state=MailState.FAILED))[0]
        assert (failed.state, failed.last_error, failed.attempts) == (MailState.FAILED, "550 no such user", 1)
        assert outbox.get(session, failed.id) == failed
        assert outbox.get(session, 99) is None


def test_what_comes_back_before_it_was_noted_as_sent_stays_undelivered(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")

    def come_back_at_once(letter: Letter) -> None:
        with database.transaction() as session:
            assert outbox.bounce(session, letter.return_token, "5.1.1 no such user", now=now)

    outbox.deliver(database, come_back_at_once, now=now)
    [mail] = _mails(database)
    assert (mail.sent_at, mail.left_at, mail.bounced_at, mail.last_error) == (None, now, now, "5.1.1 no such user")
    assert outbox.deliver(database, Postman(), now=now + LAST_TRY) == 0


def test_an_unknown_token_is_refused(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")
    with database.transaction() as session:
        with pytest.raises(Refused, match="mail-unknown"):
            outbox.bounce(session, "0" * 32, "5.1.1", now=now)
        with pytest.raises(Refused, match="mail-unknown"):
            outbox.note_delay(session, "0" * 32, "4.4.1", now=now)


def test_a_delay_of_a_mail_that_has_not_left_is_not_noted(database: Database, now: datetime) -> None:
    _post(database, now, "a@example.jp")
    with database.transaction() as session:
        assert not outbox.note_delay(session, _mails(database)[0].return_token, "4.4.1", now=now)
        assert not outbox.note_passage(session, _mails(database)[0].return_token, now=now)
    assert _mails(database)[0].last_error is None


def test_mails_are_looked_for_among_the_newest_and_counted_up_to_a_bound(database: Database, now: datetime) -> None:
    _post(database, now, *(f"{name}@example.jp" for name in "abcde"))
    with database.snapshot() as session:

        def found(**wanted: object) -> list[str]:
            return [mail.recipient[0] for mail in outbox.search(session, outbox.Wanted(**wanted))]  # type: ignore[arg-type]

        assert found(among=2) == ["e", "d"]
        assert found(among=2, mentioning="a@") == []
        assert found(among=5, mentioning="a@") == found(mentioning="a@") == ["a"]
        assert [outbox.count(session, outbox.Wanted(), most=most) for most in (3, 4, 5, 9)] == [4, 5, 5, 5]
        assert outbox.count(session, outbox.Wanted(among=2), most=9) == 2


def test_a_tally_tells_an_offices_mails_that_mention_a_number_and_those_given_up(database: Database, now: datetime) -> None:
    _post(database, now, "260001A@example.jp", "other@example.jp")
    with database.snapshot() as session:
        assert outbox.tally(session, "NAC001", "260001A") == (1, 0)
        assert outbox.tally(session, "NAC002", "260001A") == (0, 0)
    outbox.deliver(database, Postman(DeliveryFailed("550", permanent=True)), now=now)
    with database.snapshot() as session:
        assert outbox.tally(session, "NAC001", "260001A") == (1, 1)
