"""Notifications are taken to the letter of RFC 3464, or not at all."""

import pytest

from server.delivery_reports import MOST_OCTETS, MOST_PARTS, MOST_RECIPIENTS, NotAReport, Outcome, read
from server.return_address import ReturnAddress
from tests.server.returned import BACK, GOOD, NO_SUCH_USER, TOKEN, TOO_LATE, report

ADDRESS = ReturnAddress("bounces@example.jp")


@pytest.mark.parametrize(
    ("server", "reason"),
    [
        ("postfix", "5.1.1 550 5.1.1 <hanako@customer.example>: Recipient address rejected: User unknown"),
        ("exim", "5.0.0 550 no such mailbox here"),
        ("sendmail", "5.1.1 550 5.1.1 User unknown"),
        ("exchange", "5.1.10 550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found"),
    ],
)
def test_what_mail_servers_write_is_understood(server: str, reason: str) -> None:
    found = read(GOOD[server])
    assert (found.outcome, found.reason) == (Outcome.FAILED, reason)
    assert {ADDRESS.token(address) for address in found.addressed_to} | {found.envelope_id} - {""} >= {TOKEN}


def test_a_delay_is_none_of_the_failures() -> None:
    found = read(GOOD["late"])
    assert found.outcome is Outcome.DELAYED
    assert found.reason == "4.4.1 connect to mx.customer.example[192.0.2.1]:25: timed out"


def test_giving_up_after_days_is_a_failure_whatever_the_last_try_said() -> None:
    gave_up = TOO_LATE.replace("delayed", "failed").replace("Will-Retry-Until", "Last-Attempt-Date")
    assert read(report(gave_up)).outcome is Outcome.FAILED


def test_of_several_recipients_the_worst_counts() -> None:
    passed_on = "Final-Recipient: rfc822; a@b.example\nAction: relayed\nStatus: 2.0.0\n"
    assert read(report(passed_on)).outcome is Outcome.OTHER
    assert read(report(passed_on, TOO_LATE)).outcome is Outcome.DELAYED
    assert read(report(TOO_LATE, NO_SUCH_USER, passed_on)).outcome is Outcome.FAILED


def test_a_reason_is_one_line_without_what_no_page_should_show() -> None:
    wild = NO_SUCH_USER.replace("User unknown", "\x1b[2J\u202eno\u200b user\x00 " + "x" * 1_000)
    reason = read(report(wild)).reason
    assert len(reason) <= 400
    assert not {"\x1b", "\u202e", "\x00", "\n"} & set(reason)


def _without(name: str) -> bytes:
    lines = NO_SUCH_USER.replace("\n    ", " ").splitlines()
    return report("".join(f"{line}\n" for line in lines if not line.startswith(name)))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "not a delivery status notification"),
        (b"Subject: hello\n\nI am away until Monday.\n", "not a delivery status notification"),
        (report(NO_SUCH_USER, kind="multipart/mixed; boundary=b", boundary="b"), "not a delivery status notification"),
        (
            report(NO_SUCH_USER, kind="multipart/report; report-type=disposition-notification; boundary=b", boundary="b"),
            "not a delivery status notification",
        ),
        (report(NO_SUCH_USER, kind="multipart/report; report-type=delivery-status"), "no boundary"),
        (report(NO_SUCH_USER, kind="multipart/report; report-type=delivery-status; boundary=" + "b" * 71), "no boundary"),
        (report(NO_SUCH_USER, head="Content-Type: text/plain\n"), "a strange Content-Type"),
        (report(NO_SUCH_USER, kind="multipart/report; boundary=b; x=" + "y" * 2_000), "a strange Content-Type"),
        (report(NO_SUCH_USER, part="Content-Type: text/plain\n"), "0 parts with a status"),
        (report(NO_SUCH_USER, returned="Content-Type: message/delivery-status\n\n"), "2 parts with a status"),
        (report(NO_SUCH_USER, part="Content-Type: message/delivery-status\nContent-Transfer-Encoding: base64\n"), "encoded"),
        (report(), "about no recipient"),
        (report(about=""), "no Reporting-MTA"),
        (report(NO_SUCH_USER, about="X-Queue: 1\n"), "no Reporting-MTA"),
        (_without("Action"), "no Action or Status"),
        (_without("Status"), "no Action or Status"),
        (_without("Final-Recipient"), "no Final-Recipient"),
        (report(NO_SUCH_USER.replace("failed", "lost")), "no Action or Status"),
        (report(NO_SUCH_USER.replace("5.1.1\n", "five\n")), "no Action or Status"),
        (report(NO_SUCH_USER.replace("Status: 5.1.1\n", "Status: 2.1.1\n")), "failed with 2.1.1"),
        (report(TOO_LATE.replace("4.4.1", "5.4.1")), "delayed with 5.4.1"),
        (report(NO_SUCH_USER + "Status: 5.1.1\n"), "a field twice"),
        (report(NO_SUCH_USER + "no field at all\n"), "a line that is no field"),
        (report(*[NO_SUCH_USER] * (MOST_RECIPIENTS + 1)), "too many recipients"),
        (report(NO_SUCH_USER + "X-Long: " + "x" * 40_000 + "\n"), "a header too large"),
        (report(NO_SUCH_USER).replace(b"--4Zx/mail.example.jp--", b""), "cut off"),
        (report(NO_SUCH_USER, returned="\n--4Zx/mail.example.jp\n" * MOST_PARTS), "too many parts"),
        (report(NO_SUCH_USER).replace(b"\n--4Zx", b"\r--4Zx", 1), "half a line end"),
        (report(NO_SUCH_USER) + b" " * MOST_OCTETS, "too large"),
    ],
)
def test_anything_else_is_no_report(content: bytes, why: str) -> None:
    with pytest.raises(NotAReport, match=why):
        read(content)


def test_what_is_nested_a_thousand_times_is_not_followed() -> None:
    nested = "".join(f"--b{level}\nContent-Type: multipart/mixed; boundary=b{level + 1}\n\n" for level in range(5_000))
    found = read(report(NO_SUCH_USER, returned=nested, head=f"To: {BACK}, {'(' * 20_000}\n"))
    assert (found.outcome, found.addressed_to) == (Outcome.FAILED, (BACK,))


@pytest.mark.parametrize(
    ("address", "token"),
    [
        (BACK, TOKEN),
        (BACK.upper(), TOKEN),
        ("bounces@example.jp", ""),
        (f"other+{TOKEN}@example.jp", ""),
        (f"bounces+{TOKEN}@example.com", ""),
        (f"bounces+{TOKEN[:-1]}@example.jp", ""),
        (f"bounces+{TOKEN[:-1]}g@example.jp", ""),
        (f"bounces+x+{TOKEN}@example.jp", ""),
        ("", ""),
    ],
)
def test_only_an_address_of_ours_has_a_token(address: str, token: str) -> None:
    assert ADDRESS.token(address) == token


def test_an_address_that_was_made_is_read_again() -> None:
    assert ADDRESS.token(ADDRESS.of(TOKEN)) == TOKEN
    assert len(ReturnAddress("b" * 31 + "@example.jp").of(TOKEN).partition("@")[0]) <= 64  # RFC 5321 §4.5.3.1.1
