"""What a user has typed so far into an application: on the server, so that the browser's Back never hurts.

    Drafts(database, clock).begin(customer, kind) -> Draft
    Drafts(database, clock).load(customer, kind, receipt_number) -> Draft | None
    Drafts(database, clock).all_of(customer) -> tuple[Draft, ...]
    Drafts(database, clock).save(customer, draft_id, section, typed) -> Draft
    Drafts(database, clock).revise(customer, draft_id, section, revised) -> Draft
    Drafts(database, clock).discard(customer, draft_id)
    load(session, customer, kind, receipt_number), all_of(session, customer)   the same for pages that have a snapshot

A user has one draft of a kind, and one for each application that he corrects (`applications.Corrections`). Each page saves
its own section, as typed, faulty or not, so two tabs or a page reached by Back overwrite only what they show; a page that
shows a part of a long list revises its section (`rows`). Every save raises `version`; the confirmation carries the version
that it shows, and `Applications.submit` refuses another one: nobody confirms what he did not see.
"""

import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Row, Select, bindparam, select
from sqlalchemy.orm import Session

from kernel import audit
from kernel.clock import Clock
from kernel.database import Database, insert_if_absent
from kernel.errors import Refused
from registry.faults import Typed
from registry.tables import DraftRow

# Characters of a whole draft as JSON: many times what the pages can hold.
MOST = 200_000
ID = re.compile(r"[0-9a-f]{32}")


class Kind(StrEnum):
    """What is applied for: a change of the contract, system settings, customs brokers' IDs."""

    CONTRACT_CHANGE = "contract_change"
    SYSTEM_SETTINGS = "system_settings"
    BROKER_IDS = "broker_ids"


class Section(StrEnum):
    """The pages of an application that are no item's. Each ticked item has a page of its own, called by the item's code."""

    CHOICE = "choice"
    APPLICANT = "applicant"
    TERMINALS = "terminals"
    REMARKS = "remarks"


@dataclass(frozen=True)
class Customer:
    """A user of an office, as the portal has let him in."""

    office_code: str
    login: str

    @property
    def actor(self) -> audit.Actor:
        """Return the customer as the audit log names him."""
        return audit.customer(self.office_code, self.login)


@dataclass(frozen=True)
class Draft:
    """A draft as it stood when it was read; a section that was never saved is empty.

    With a `receipt_number` it is a correction of that application, and `base_version` is the version that it began with.
    """

    id: str
    kind: Kind
    version: int
    sections: Mapping[str, Typed]
    updated_at: datetime
    receipt_number: str = ""
    base_version: int = 0

    def section(self, section: str) -> Typed:
        """Return what was typed into a page."""
        return self.sections.get(section, {})

    def has(self, section: str) -> bool:
        """Return whether a page was saved at all."""
        return section in self.sections


@dataclass(frozen=True)
class Drafts:
    """Keeps drafts. No audit: nothing is done yet."""

    database: Database
    clock: Clock

    def load(self, customer: Customer, kind: Kind = Kind.CONTRACT_CHANGE, receipt_number: str = "") -> Draft | None:
        """Return the customer's draft of a kind, if there is one; with a receipt number, that application's correction."""
        with self.database.snapshot() as session:
            return load(session, customer, kind, receipt_number)

    def all_of(self, customer: Customer) -> tuple[Draft, ...]:
        """Return the customer's drafts of all kinds, in the kinds' order, without corrections."""
        with self.database.snapshot() as session:
            return all_of(session, customer)

    def begin(self, customer: Customer, kind: Kind = Kind.CONTRACT_CHANGE) -> Draft:
        """Return the customer's draft of a kind, a new one if there is none."""
        with self.database.transaction() as session:
            values: dict[str, object] = {
                "id": secrets.token_hex(16),
                "office_code": customer.office_code,
                "login": customer.login,
                "kind": kind.value,
                "receipt_number": "",
                "base_version": 0,
                "version": 0,
                "content": {},
                "updated_at": self.clock.now(),
            }
            insert_if_absent(session, DraftRow, values)
            return draft_of(session.scalars(of_customer(customer, kind)).one())

    def save(self, customer: Customer, draft_id: str, section: str, typed: Typed) -> Draft:
        """Put what a page holds into the draft, as typed.

        Raises Refused("draft-unknown") when the draft was submitted or discarded meanwhile, Refused("draft-too-large").
        """
        return self.revise(customer, draft_id, section, lambda _: typed)

    def revise(self, customer: Customer, draft_id: str, section: str, revised: Callable[[Typed], Typed]) -> Draft:
        """Put into the draft what a page becomes: `revised` makes it of what stands there while nobody else can change that.

        Raises as `save` does.
        """
        with self.database.transaction() as session:
            row = locked(session, customer, draft_id)
            if row is None:
                raise Refused("draft-unknown")
            typed = revised(row.content.get(str(section), {}))
            content = row.content | {str(section): {name: list(values) for name, values in typed.items()}}
            if len(json.dumps(content, ensure_ascii=False)) > MOST:
                raise Refused("draft-too-large")
            row.content, row.version, row.updated_at = content, row.version + 1, self.clock.now()
            return draft_of(row)

    def discard(self, customer: Customer, draft_id: str) -> None:
        """Forget a draft; one that is gone already may be discarded again."""
        with self.database.transaction() as session:
            row = locked(session, customer, draft_id)
            if row is not None:
                session.delete(row)


def load(session: Session, customer: Customer, kind: Kind, receipt_number: str = "") -> Draft | None:
    """Return the customer's draft of a kind, if there is one; with a receipt number, that application's correction."""
    row = session.scalar(of_customer(customer, kind, receipt_number))
    return None if row is None else draft_of(row)


_ALL = select(DraftRow.__table__).where(
    DraftRow.office_code == bindparam("office_code"), DraftRow.login == bindparam("login"), DraftRow.receipt_number == ""
)


def all_of(session: Session, customer: Customer) -> tuple[Draft, ...]:
    """Return the customer's drafts of all kinds, in the kinds' order, without corrections."""
    own = {"office_code": customer.office_code, "login": customer.login}
    found = {draft.kind: draft for draft in map(draft_of, session.execute(_ALL, own))}
    return tuple(found[kind] for kind in Kind if kind in found)


def locked(session: Session, customer: Customer, draft_id: str) -> DraftRow | None:
    """Return the row of the customer's own draft, locked, for this room's use."""
    if ID.fullmatch(draft_id) is None:
        return None
    row = session.get(DraftRow, draft_id, with_for_update=True, populate_existing=True)
    return row if row is not None and (row.office_code, row.login) == (customer.office_code, customer.login) else None


def draft_of(row: DraftRow | Row[Any]) -> Draft:
    """Return a row's content."""
    return Draft(row.id, Kind(row.kind), row.version, dict(row.content), row.updated_at, row.receipt_number, row.base_version)


def of_customer(customer: Customer, kind: Kind, receipt_number: str = "") -> Select[DraftRow]:
    """Return the query of a customer's draft of a kind, or of an application's correction, for this room's use."""
    return select(DraftRow).where(
        DraftRow.office_code == customer.office_code,
        DraftRow.login == customer.login,
        DraftRow.kind == kind.value,
        DraftRow.receipt_number == receipt_number,
    )
