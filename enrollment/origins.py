"""Why a certificate of an office exists: the deed it was made by, who asked for it, when and how it came to its terminal.

The office asked for it when somebody of the office applied or asked for the reissue, or when its terminal renewed. What the
center did by itself (a change of generation, a takeover, a reissue that staff began) it did not ask for, and is told so.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from ca.certificate_lists import Name, Outline
from enrollment.generations.tables import GenerationRow, MemberRow
from enrollment.interfaces import Interface
from enrollment.receipts import RetrievalReceiptRow
from enrollment.tables import CodeSetRow, ReissueRow, RenewalRow
from registry import applications
from registry.applications import Application

_AT_ONCE = 500


class OriginKind(StrEnum):
    """By which deed a certificate was made. `takeover`: by codes without an application; `unknown`: by nothing on record."""

    APPLICATION = "application"
    REISSUE = "reissue"
    RENEWAL = "renewal"
    GENERATION = "generation"
    TAKEOVER = "takeover"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Origin:
    """How a certificate came about; `asked_by` is an actor's text.

    `reference` is a receipt number, a reissue's id, a predecessor's serial number or a generation's name; `interface` is how it
    came to its terminal, where that is known.
    """

    kind: OriginKind
    reference: str | None = None
    asked_by: str | None = None
    asked_at: datetime | None = None
    interface: Interface | None = None

    def is_of(self, office_code: str) -> bool:
        """Return whether the office, or a terminal of it, asked for the certificate."""
        if self.kind is OriginKind.RENEWAL:
            return True
        kind, _, name = (self.asked_by or "").partition(":")
        is_own = kind == "terminal" or (kind == "customer" and name.partition("/")[0] == office_code)
        return self.kind in (OriginKind.APPLICATION, OriginKind.REISSUE) and is_own


def of_many(session: Session, office_code: str, those: Sequence[Outline]) -> dict[Name, Origin]:
    """Return how certificates of an office's terminals came about, by issuer and serial number."""
    found: dict[Name, Origin] = {}
    for begin in range(0, len(those), _AT_ONCE):
        piece = those[begin : begin + _AT_ONCE]
        look = _Look.at(session, office_code, piece)
        found |= {one.name: look.origin(one) for one in piece}
    return found


@dataclass(frozen=True)
class _Look:
    """What the records say about some certificates, read together."""

    office_code: str
    code_sets: Mapping[Name, CodeSetRow]
    renewals: Mapping[Name, RenewalRow]
    reissues: Sequence[ReissueRow]
    generations: Mapping[str, GenerationRow]
    applications: Mapping[str, Application]
    interfaces: Mapping[Name, str]

    @classmethod
    def at(cls, session: Session, office_code: str, those: Sequence[Outline]) -> "_Look":
        serials = [one.serial for one in those]
        own = CodeSetRow.office_code == office_code
        sets = {
            (row.issuer, row.serial): row
            for row in session.scalars(select(CodeSetRow).where(own, CodeSetRow.serial.in_(serials)))
            if row.issuer is not None and row.serial is not None
        }
        renewed = select(RenewalRow).where(RenewalRow.office_code == office_code, RenewalRow.serial.in_(serials))
        subjects = {one.subject for one in those}
        reissued = select(ReissueRow).where(ReissueRow.terminal.in_(subjects), ReissueRow.prepared_at.is_not(None))
        ways = select(RetrievalReceiptRow.issuer, RetrievalReceiptRow.serial, RetrievalReceiptRow.interface)
        numbers = {row.receipt_number for row in sets.values() if row.receipt_number}
        return cls(
            office_code=office_code,
            code_sets=sets,
            renewals={(row.issuer, row.serial): row for row in session.scalars(renewed)},
            reissues=session.scalars(reissued).all(),
            generations=_generations(session, [row.id for row in sets.values()]),
            applications={number: one for number in numbers if (one := applications.find(session, number))},
            interfaces={
                (issuer, serial): way
                for issuer, serial, way in session.execute(ways.where(RetrievalReceiptRow.serial.in_(serials)))
            },
        )

    def origin(self, one: Outline) -> Origin:
        if (renewal := self.renewals.get(one.name)) is not None and renewal.terminal == one.subject:
            terminal, way = f"terminal:{renewal.terminal}", Interface(renewal.interface)
            return Origin(OriginKind.RENEWAL, renewal.predecessor, terminal, renewal.begun_at, way)
        codes = self.code_sets.get(one.name)
        if codes is None or codes.terminal != one.subject:
            return Origin(OriginKind.UNKNOWN)
        return self._by_codes(codes, Interface(self.interfaces[one.name]) if one.name in self.interfaces else None)

    def _by_codes(self, codes: CodeSetRow, way: Interface | None) -> Origin:
        if (change := self.generations.get(codes.id)) is not None:
            return Origin(OriginKind.GENERATION, change.name, change.approver or change.planner, change.planned_at, way)
        if (reissue := self._reissue(codes)) is not None:
            return Origin(OriginKind.REISSUE, reissue.id, reissue.requester, reissue.requested_at, way)
        application = self.applications.get(codes.receipt_number or "")
        if application is not None and application.office_code == self.office_code:
            number, by = application.receipt_number, application.applied_by
            return Origin(OriginKind.APPLICATION, number, by, application.applied_at, way)
        return Origin(OriginKind.TAKEOVER, None, codes.approver, codes.prepared_at, way)

    def _reissue(self, codes: CodeSetRow) -> ReissueRow | None:
        """Return the reissue for which a set was prepared, or replaced while it was open."""
        if codes.receipt_number is not None:
            return None
        return next(
            (
                row
                for row in self.reissues
                if row.terminal == codes.terminal
                and row.prepared_at is not None
                and row.prepared_at <= codes.prepared_at
                and (row.ended_at is None or codes.prepared_at <= row.ended_at)
            ),
            None,
        )


def _generations(session: Session, code_sets: Collection[str]) -> dict[str, GenerationRow]:
    query = (
        select(MemberRow.code_set, GenerationRow)
        .join(GenerationRow, GenerationRow.number == MemberRow.generation)
        .where(MemberRow.code_set.in_(code_sets))
    )
    return {code_set: row for code_set, row in session.execute(query) if code_set is not None}
