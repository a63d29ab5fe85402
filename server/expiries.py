"""What comes to its end and needs people: told in the log, by mail to those who hold security, and as a job that fails."""

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import func, select

from ca import expiry
from ca.expiry import Ending, Expiry
from kernel import audit, outbox
from kernel.audit import AuditEntry
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from registry.letters import CENTER_EN, CENTER_JA
from server import logs
from server.trouble import Trouble
from webui.accounts import Accounts, Door, Role

ACTION = "expiry.tell"
# How often the same is mailed again.
AGAIN, AGAIN_WHEN_URGENT = timedelta(days=30), timedelta(days=7)
_JAPANESE = {Ending.LIST: "失効リスト", Ending.AUTHORITY: "認証局の証明書", Ending.SERVICE: "サービスの証明書"}
_log = logs.logger("server.expiries")


def approaching(database: Database, now: datetime) -> list[Expiry]:
    """Return what needs people's hands by now."""
    with database.snapshot() as session:
        return expiry.approaching(session, now)


def watching(database: Database, clock: Clock) -> Callable[[datetime], int]:
    """Return the job: it tells, and counts as failed while anything is urgent."""

    def watch(now: datetime) -> int:
        found = approaching(database, now)
        for one in found:
            (_log.error if one.is_urgent else _log.warning)("expiry.approaching", subject=one.subject, text=str(one))
        told = sum(_tell(database, clock, one, now) for one in found)
        if urgent := [one for one in found if one.is_urgent]:
            raise Trouble("\n".join(map(str, urgent)))
        return told

    return watch


def _tell(database: Database, clock: Clock, one: Expiry, now: datetime) -> bool:
    """Mail it to everyone who holds security, unless that was done not long ago."""
    people = [person.mail for person in Accounts(database, clock).listed(Door.CENTER) if person.may(Role.SECURITY)]
    subject, body = _letter(one)
    with database.transaction() as session:
        of_this = (AuditEntry.action == ACTION, AuditEntry.subject == f"expiry:{one.subject}:{one.what.name.lower()}")
        last = session.scalar(select(func.max(AuditEntry.at)).where(*of_this))
        if last is not None and now < last + (AGAIN_WHEN_URGENT if one.is_urgent else AGAIN):
            return False
        for mail in sorted(set(people)):
            outbox.post(session, now=now, recipient=mail, subject=subject, body=body)
        audit.record(
            session,
            now=now,
            actor=audit.job("expiry"),
            action=ACTION,
            subject=f"expiry:{one.subject}:{one.what.name.lower()}",
            ends=one.ends.isoformat() if one.ends else "missing",
            mails=len(set(people)),
        )
    return True


def _letter(one: Expiry) -> tuple[str, str]:
    when_ja = f"{tokyo_date(one.ends):%Y年%m月%d日}に終わります" if one.ends else "ありません"
    ja = f"{_JAPANESE[one.what]}({one.subject})が{when_ja}。自動では更新されません。下の英文の手順に従ってご対応ください。"
    urgency_ja, urgency_en = ("【至急】", "URGENT: ") if one.is_urgent else ("", "")
    subject = f"{urgency_ja}【NSS】{_JAPANESE[one.what]}の期限のお知らせ({one.subject})"
    return subject, f"{CENTER_JA} セキュリティ担当者様\n\n{ja}\n\n{CENTER_EN}\n\n{urgency_en}{one}.\n"
