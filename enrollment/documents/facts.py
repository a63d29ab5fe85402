"""What the documents say, as plain facts: what a template sets, what is attached to the PDF as JSON, and nothing else.

Codes are the registry's own; the templates have the words. Dates are days in Tokyo (ISO 8601). No code and no key is a fact.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy.orm import Session

from kernel.clock import tokyo_date
from kernel.errors import Refused
from registry import applications
from registry.applications import Detail, Query, parties
from registry.applications.parties import Parties
from registry.items import ITEMS, TERMINALS, table_of
from registry.letters import CENTER_JA
from registry.proposals import Change
from registry.terminals import Terminal

# The form of the facts that are attached: programs of customers read it.
VERSION = 1
Facts = Mapping[str, Any]


class DocumentKind(StrEnum):
    """承認通知, 申込書 and 請求明細書."""

    APPROVAL_NOTICE = "approval_notice"
    APPLICATION_FORM = "application_form"
    BILL = "bill"


@dataclass(frozen=True)
class Publisher:
    """Who issues the documents, whom to call, and under which address the portal is known."""

    portal_url: str
    name: str = CENTER_JA
    service: str = f"{CENTER_JA} サポートシステム"
    help_desk: str = "0120-000-000"


@dataclass(frozen=True)
class Edition:
    """Which notice of an application it is: the second and later ones replace that of an earlier day."""

    number: int
    issued_on: date
    replaces: date | None = None


@dataclass(frozen=True)
class _Papers:
    """What of the registry a document is made of: an application, and who it speaks of, as that day had it."""

    detail: Detail
    parties: Parties


def application_form(session: Session, receipt_number: str, publisher: Publisher) -> Facts:
    """Return the facts of an application's form: what it wants as it stands, by those who filed it, as they were called then.

    Raises Refused("application-unknown").
    """
    detail = _detail(session, receipt_number)
    papers = _Papers(detail, parties.of_application(session, receipt_number) or _present(session, detail))
    one = papers.detail.application
    ticked = {line.item for line in papers.detail.items}
    return {
        **_common(DocumentKind.APPLICATION_FORM, papers, publisher),
        "applicant": {
            "name": one.applicant.full_name,
            "kana": one.applicant.full_kana,
            "department": one.applicant.department,
            "title": one.applicant.title,
            "phone": one.applicant.phone,
            "fax": one.applicant.fax,
            "mail": one.applicant.mail,
        },
        "groups": [
            {
                "group": group.code,
                "name": group.ja,
                "items": [{"item": item.code, "name": item.ja, "ticked": item.code in ticked} for item in group.items],
            }
            for group in table_of(one.kind)
        ],
        "terminals": list(_applied_for(papers.detail)),
        "remarks": one.remarks,
        "revision": one.version,
        "attachments": [
            {"name": file.name, "octets": file.size, "sha256": file.sha256, "sent_on": _day_of(file.attached_at)}
            for file in papers.detail.files
        ],
        "queries": [
            {
                "question": query.question,
                "asked_on": _day_of(query.asked_at),
                "answer": _answer_of(query),
                "answered_on": _day_of(query.answered_at),
            }
            for query in papers.detail.queries
        ],
    }


def approval_notice(session: Session, receipt_number: str, edition: Edition, publisher: Publisher) -> Facts:
    """Return the facts of an application's approval, to its office as it is called on the day of issue.

    Raises Refused("application-unknown"), and Refused("application-state") for one that was not approved.
    """
    detail = _detail(session, receipt_number)
    papers = _Papers(detail, _present(session, detail))
    one = papers.detail.application
    if one.start_date is None or one.reviewed_at is None:
        raise Refused("application-state", state=one.state.value, event="notice")
    return {
        **_common(DocumentKind.APPROVAL_NOTICE, papers, publisher),
        "edition": edition.number,
        "issued_on": edition.issued_on.isoformat(),
        "replaces": _iso(edition.replaces),
        "reviewed_on": _day_of(one.reviewed_at),
        "start_date": one.start_date.isoformat(),
        "settings_deadline": _iso(one.settings_deadline),
        "terminals": list(_approved(papers.detail)),
        "verify_url": f"{publisher.portal_url}/verify",
    }


def applied_at(session: Session, receipt_number: str) -> datetime:
    """Return when an application was filed: the instant that its form is dated by."""
    found = applications.find(session, receipt_number)
    if found is None:
        raise Refused("application-unknown", receipt_number=receipt_number)
    return found.applied_at


def _detail(session: Session, receipt_number: str) -> Detail:
    detail = applications.detail(session, receipt_number)
    if detail is None:
        raise Refused("application-unknown", receipt_number=receipt_number)
    return detail


def _present(session: Session, detail: Detail) -> Parties:
    return parties.present(session, detail.application.office_code)


def _common(kind: DocumentKind, papers: _Papers, publisher: Publisher) -> dict[str, Any]:
    one, who = papers.detail.application, papers.parties
    return {
        "document": kind.value,
        "version": VERSION,
        "receipt_number": one.receipt_number,
        "kind": one.kind.value,
        "applied_on": _day_of(one.applied_at),
        "wished_start": one.wished_start.isoformat(),
        "issuer": {"name": publisher.name, "service": publisher.service, "help_desk": publisher.help_desk},
        "office": {
            "code": one.office_code,
            "name": who.office,
            "company": who.company,
            "company_abbreviation": who.company_abbreviation,
            "postal_code": who.postal_code,
            "address": who.address,
            "phone": who.phone,
        },
        "contractor": {"name": who.contractor_name, "title": who.contractor_title},
        "administrator": {"name": who.administrator},
        "items": [{"item": line.item, "name": ITEMS[line.item].ja} for line in papers.detail.items],
        "changes": [
            {"item": line.item, "name": ITEMS[line.item].ja, "before": line.before, "after": line.after}
            for line in papers.detail.items
            if line.item != TERMINALS
        ],
    }


def _applied_for(detail: Detail) -> Iterable[dict[str, Any]]:
    for line in detail.lines:
        yield {
            "change": line.change.value,
            "name": line.terminal_name,
            "count": line.count,
            "device_class": line.device_class.value,
            "package_class": line.package_class,
            "before": line.before.value if line.before else None,
            "after": line.after.value if line.after else None,
        }


def _approved(detail: Detail) -> Iterable[dict[str, Any]]:
    """Return the terminals with the names that the approval gave them, then those that change."""
    for terminal in detail.terminals:
        yield _new(terminal)
    for line in _applied_for(detail):
        if line["change"] != Change.ADD.value:
            yield line


def _new(terminal: Terminal) -> dict[str, Any]:
    return {
        "change": Change.ADD.value,
        "name": terminal.name,
        "count": 1,
        "device_class": terminal.device_class.value,
        "package_class": terminal.package_class,
        "before": None,
        "after": terminal.system_class.value,
    }


def _answer_of(query: Query) -> str | None:
    """Return an answer; one that corrected the application says so."""
    if query.version is None:
        return query.answer
    return "\n".join(part for part in (query.answer, f"申込の内容を修正しました（第{query.version}版）。") if part)


def _day_of(instant: datetime | None) -> str | None:
    return None if instant is None else tokyo_date(instant).isoformat()


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()
