"""The check of certificates as processes run it: at the command line, and each night as a job."""

import http.client
from collections.abc import Callable
from datetime import datetime, time, timedelta
from urllib.parse import urlsplit

from sqlalchemy import func, select

from ca.inspection import Period
from ca.published_status import Ask
from enrollment.checker import CertificateCheck
from kernel import audit
from kernel.audit import AuditEntry
from kernel.clock import TOKYO, Clock
from kernel.database import Database
from kernel.errors import Unavailable
from server import logs
from server.issuing import profile_of
from server.responding import responder_of
from server.settings import Settings
from server.wiring import home_of

ACTION = "certificates.check"
# The hour in Tokyo from which on a night's check runs.
HOUR = time(2)
# Seconds for an answer of the status door.
PATIENCE = 30


def check_of(settings: Settings, database: Database, ask: Ask) -> CertificateCheck:
    """Return the check of this home's certificates."""
    return CertificateCheck(database, profile_of(settings), home_of(settings).published, ask)


def door_asker(url: str) -> Ask:
    """Return what asks the status door at its public address, as relying parties do; raises OSError when it is silent."""
    parts = urlsplit(url)
    connect = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection

    def ask(question: bytes) -> bytes:
        connection = connect(parts.hostname or "", parts.port, timeout=PATIENCE)
        try:
            connection.request("POST", f"{parts.path}/ocsp", question, {"Content-Type": "application/ocsp-request"})
            response = connection.getresponse()
            if response.status != http.client.OK:
                raise ConnectionError(f"the status door answers {response.status}")
            return response.read()
        except http.client.HTTPException as error:
            raise ConnectionError("the status door does not speak HTTP") from error
        finally:
            connection.close()

    return ask


def asker_of(settings: Settings, database: Database, clock: Clock) -> Ask:
    """Return what asks the status door; while it is not open, its responder in this process, with its key."""
    if not is_silent(settings.status.url):
        return door_asker(settings.status.url)
    responder = responder_of(settings, database, clock)
    return lambda question: responder.answer(question, clock.now()).der


def is_silent(url: str) -> bool:
    """Return whether the status door does not answer."""
    try:
        # The shortest question: malformed, and answered as such.
        door_asker(url)(b"\x30\x00")
    except OSError:
        return True
    return False


def nightly(settings: Settings, database: Database) -> Callable[[datetime], int]:
    """Return the job: once a night everything is checked, the findings are logged, the deed is on record.

    Raises Unavailable while the status door is silent: it is asked for the check.
    """
    check = check_of(settings, database, door_asker(settings.status.url))
    log = logs.logger("server.checking")

    def run(now: datetime) -> int:
        if not _is_due(database, now):
            return 0
        if is_silent(settings.status.url):
            raise Unavailable("the status door")
        read, found = check.run(now, Period())
        for finding in found:
            log.error("certificate.finding", code=finding.code, about=finding.subject, serial=finding.serial, text=finding.text)
        with database.transaction() as session:
            codes = ", ".join(sorted({finding.code for finding in found}))
            audit.record(
                session,
                now=now,
                actor=audit.job("check"),
                action=ACTION,
                subject="certificates:all",
                read=read,
                findings=len(found),
                codes=codes,
            )
        return read

    return run


def _is_due(database: Database, now: datetime) -> bool:
    """Return whether nothing was checked since the last time that the hour struck."""
    struck = datetime.combine(now.astimezone(TOKYO).date(), HOUR, TOKYO)
    if struck > now:
        struck -= timedelta(days=1)
    with database.snapshot() as session:
        last = session.scalar(select(func.max(AuditEntry.at)).where(AuditEntry.action == ACTION))
    return last is None or last < struck
