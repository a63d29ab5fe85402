"""Notifications of undeliverable mails, in the manners of the mail servers that operators have."""

TOKEN = "0123456789abcdef" * 2
BACK = f"bounces+{TOKEN}@example.jp"
_RETURNED = "Content-Type: text/rfc822-headers\n\nMessage-ID: <abc123@example.jp>\nSubject: mail\n"
POSTFIX = "Reporting-MTA: dns; mail.example.jp\nX-Postfix-Queue-ID: 4Zx\nArrival-Date: Sun, 22 Nov 2026 10:00:00 +0900 (JST)\n"
NO_SUCH_USER = """\
Final-Recipient: rfc822; hanako@customer.example
Original-Recipient: rfc822;hanako@customer.example
Action: failed
Status: 5.1.1
Remote-MTA: dns; mx.customer.example
Diagnostic-Code: smtp; 550 5.1.1 <hanako@customer.example>: Recipient address
    rejected: User unknown
"""
TOO_LATE = """\
Final-Recipient: rfc822; hanako@customer.example
Action: delayed
Status: 4.4.1
Diagnostic-Code: X-Postfix; connect to mx.customer.example[192.0.2.1]:25: timed out
Will-Retry-Until: Fri, 27 Nov 2026 10:00:00 +0900 (JST)
"""


def report(
    *recipients: str,
    about: str = POSTFIX,
    head: str = f"Delivered-To: {BACK}\nTo: {BACK}\n",
    kind: str = 'multipart/report; report-type=delivery-status;\n\tboundary="4Zx/mail.example.jp"',
    part: str = "Content-Type: message/delivery-status\n",
    returned: str = _RETURNED,
    boundary: str = "4Zx/mail.example.jp",
) -> bytes:
    """Return a notification; of Postfix unless told otherwise."""
    groups = "\n".join((about, *recipients))
    text = f"""\
Return-Path: <>
{head}From: MAILER-DAEMON@mail.example.jp (Mail Delivery System)
Subject: Undelivered Mail Returned to Sender
Auto-Submitted: auto-replied
MIME-Version: 1.0
Content-Type: {kind}

This is a MIME-encapsulated message.

--{boundary}
Content-Description: Notification
Content-Type: text/plain; charset=us-ascii

This is the mail system. Your message could not be delivered.

--{boundary}
{part}
{groups}
--{boundary}
{returned}
--{boundary}--
"""
    return text.encode()


def exim() -> bytes:
    """Return one as Exim writes it: the envelope's recipient in its own header, no code of the other server."""
    return report(
        "Action: failed\nFinal-Recipient: rfc822;hanako@customer.example\nStatus: 5.0.0\n"
        "Remote-MTA: dns; mx.customer.example\nDiagnostic-Code: smtp; 550 no such mailbox here\n",
        about="Reporting-MTA: dns; mail.example.jp\n",
        head=f"Envelope-to: {BACK}\nX-Failed-Recipients: hanako@customer.example\nTo: {BACK}\n",
        kind="multipart/report; report-type=delivery-status; boundary=1700000000-eximdsn-1",
        boundary="1700000000-eximdsn-1",
    )


def sendmail() -> bytes:
    """Return one as Sendmail writes it: with the envelope's number, and an address in angle brackets."""
    return report(
        "Final-Recipient: RFC822; hanako@customer.example\nAction: failed\nStatus: 5.1.1\n"
        "Diagnostic-Code: SMTP; 550 5.1.1 User unknown\nLast-Attempt-Date: Sun, 22 Nov 2026 10:00:01 +0900\n",
        about=f"Original-Envelope-Id: {TOKEN}\nReporting-MTA: dns; mail.example.jp\nReceived-From-MTA: DNS; tegata.example.jp\n",
        head="To: <bounces@example.jp>\n",
        kind='multipart/report; report-type=delivery-status;\n boundary="xAM1.17/mail"',
        boundary="xAM1.17/mail",
    )


def exchange() -> bytes:
    """Return one as Exchange writes it: line ends of two octets, an HTML text beside the plain one, the mail as it was."""
    whole = "Content-Type: message/rfc822\n\nSubject: mail\nContent-Type: text/plain\n\nthe text\n"
    content = report(
        "Final-recipient: RFC822; hanako@customer.example\nAction: failed\nStatus: 5.1.10\n"
        "Diagnostic-code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found\n"
        "X-Display-Name: =?utf-8?B?6Iqx5a2Q?=\n",
        about="Reporting-MTA: dns;mail.customer.example\n",
        head=f'To: "{BACK}" <{BACK}>\n',
        returned=whole,
    )
    alternative = (
        b"Content-Type: multipart/alternative; boundary=inner\n\n--inner\nContent-Type: text/html\n\n<p>x</p>\n--inner--\n"
    )
    content = content.replace(b"Content-Description: Notification\nContent-Type: text/plain; charset=us-ascii\n", alternative)
    return content.replace(b"\n", b"\r\n")


GOOD = {
    "postfix": report(NO_SUCH_USER),
    "exim": exim(),
    "sendmail": sendmail(),
    "exchange": exchange(),
    "late": report(TOO_LATE, head=f"X-Original-To: {BACK}\n"),
}
