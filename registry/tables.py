"""The registry's tables. Only this room reads or writes them; rows never leave it.

Patterns are checked by the database with `ltrim(text, characters)`, which SQLite and PostgreSQL read alike.
"""

from datetime import date, datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Enum,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.orm import Mapped, mapped_column

from kernel.database import Base, UtcDateTime
from registry.states import (
    ApplicationState,
    DeviceClass,
    PaymentMethod,
    PricePlan,
    SystemClass,
    TerminalState,
)

DIGITS = "0123456789"
CAPITALS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

_Id = BigInteger().with_variant(Integer, "sqlite")


def _only(expression: str, characters: str) -> str:
    return f"ltrim({expression}, '{characters}') = ''"


def _shaped(column: str, capitals: int, digits: int) -> str:
    """Return the SQL condition "so many capitals, then so many digits"."""
    return (
        f"length({column}) = {capitals + digits} AND {_only(f'substr({column}, 1, {capitals})', CAPITALS)}"
        f" AND {_only(f'substr({column}, {capitals + 1}, {digits})', DIGITS)}"
    )


def _numbered(column: str, digits: int) -> str:
    """Return the SQL condition "so many digits, then one capital"."""
    return (
        f"length({column}) = {digits + 1} AND {_only(f'substr({column}, 1, {digits})', DIGITS)}"
        f" AND {_only(f'substr({column}, {digits + 1}, 1)', CAPITALS)}"
    )


def _one_of(choices: type[StrEnum], table: str, column: str) -> Enum:
    """Return a column type whose values the database checks by name."""
    return Enum(
        choices,
        native_enum=False,
        length=20,
        create_constraint=True,
        name=f"ck_{table}_{column}",
        values_callable=lambda members: [member.value for member in members],
    )


class CompanyRow(Base):
    """企業. `latin_name`, else `name`, is the certificates' O: at most 64 characters (X.509 ub-organization-name)."""

    __tablename__ = "registry_company"
    __table_args__ = (
        CheckConstraint(_shaped("abbreviation", 3, 0), "ck_registry_company_abbreviation"),
        CheckConstraint("length(coalesce(latin_name, name)) BETWEEN 1 AND 64", "ck_registry_company_organization"),
    )

    abbreviation: Mapped[str] = mapped_column(String(3), primary_key=True)
    name: Mapped[str] = mapped_column(String(100))
    latin_name: Mapped[str | None] = mapped_column(String(64))
    postal_code: Mapped[str] = mapped_column(String(7))
    address: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str] = mapped_column(String(11))
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)


class OfficeRow(Base):
    """事業所, with its administrator (管理責任者) by value."""

    __tablename__ = "registry_office"
    __table_args__ = (
        CheckConstraint(_shaped("code", 3, 3), "ck_registry_office_code"),
        CheckConstraint("substr(code, 1, 3) = company_abbreviation", "ck_registry_office_company"),
        CheckConstraint(f"length(billing_code) = 7 AND {_only('billing_code', DIGITS)}", "ck_registry_office_billing_code"),
    )

    code: Mapped[str] = mapped_column(String(6), primary_key=True)
    company_abbreviation: Mapped[str] = mapped_column(ForeignKey("registry_company.abbreviation"), index=True)
    name: Mapped[str] = mapped_column(String(100))
    postal_code: Mapped[str] = mapped_column(String(7))
    address: Mapped[str] = mapped_column(String(200))
    phone: Mapped[str] = mapped_column(String(11))
    fax: Mapped[str] = mapped_column(String(11))
    customs_office: Mapped[str] = mapped_column(String(40))
    billing_code: Mapped[str] = mapped_column(String(7))
    administrator_family_name: Mapped[str] = mapped_column(String(40))
    administrator_given_name: Mapped[str] = mapped_column(String(40))
    administrator_family_kana: Mapped[str] = mapped_column(String(40))
    administrator_given_kana: Mapped[str] = mapped_column(String(40))
    administrator_department: Mapped[str] = mapped_column(String(60))
    administrator_title: Mapped[str] = mapped_column(String(40))
    administrator_phone: Mapped[str] = mapped_column(String(11))
    administrator_fax: Mapped[str] = mapped_column(String(11))
    administrator_mail: Mapped[str] = mapped_column(String(254))
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ContractRow(Base):
    """契約, one per office. Without a price plan until the office's first application for terminals takes effect."""

    __tablename__ = "registry_contract"

    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"), primary_key=True)
    contractor_name: Mapped[str] = mapped_column(String(80))
    contractor_title: Mapped[str] = mapped_column(String(40))
    price_plan: Mapped[PricePlan | None] = mapped_column(_one_of(PricePlan, "registry_contract", "price_plan"))
    payment_method: Mapped[PaymentMethod | None] = mapped_column(_one_of(PaymentMethod, "registry_contract", "payment_method"))
    billing_name: Mapped[str] = mapped_column(String(100))
    billing_postal_code: Mapped[str] = mapped_column(String(7))
    billing_address: Mapped[str] = mapped_column(String(200))
    billing_contact: Mapped[str] = mapped_column(String(100))
    billing_phone: Mapped[str] = mapped_column(String(11))
    signed_on: Mapped[date]
    mailboxes: Mapped[int]
    ends_on: Mapped[date | None]


class UserCodeRow(Base):
    """利用者コード with its 識別番号 (one row each pair, together the 利用者ID), and what is billed by user code."""

    __tablename__ = "registry_user_code"
    __table_args__ = (
        UniqueConstraint("user_code", "id_number", name="uq_registry_user_code"),
        CheckConstraint(
            f"length(user_code) BETWEEN 5 AND 8 AND {_only('user_code', CAPITALS + DIGITS)}", "ck_registry_user_code_code"
        ),
        CheckConstraint(f"length(id_number) = 3 AND {_only('id_number', CAPITALS + DIGITS)}", "ck_registry_user_code_id_number"),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"), index=True)
    system_class: Mapped[SystemClass] = mapped_column(_one_of(SystemClass, "registry_user_code", "system_class"))
    business: Mapped[str] = mapped_column(String(40))
    processing: Mapped[str] = mapped_column(String(40))
    user_code: Mapped[str] = mapped_column(String(8))
    id_number: Mapped[str] = mapped_column(String(3))
    paid_statistics: Mapped[bool]
    free_statistics: Mapped[bool]
    storage: Mapped[bool]
    shared: Mapped[bool]
    start_date: Mapped[date]
    end_date: Mapped[date | None]


def _one_open(table: str, *columns: str) -> Index:
    """Return the constraint that of rows without an end there is one of each."""
    is_open = text("end_date IS NULL")
    return Index(f"uq_{table}_open", *columns, unique=True, sqlite_where=is_open, postgresql_where=is_open)


class BusinessRow(Base):
    """利用業種 of an office."""

    __tablename__ = "registry_business"
    __table_args__ = (_one_open("registry_business", "office_code", "system_class", "business"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    system_class: Mapped[SystemClass] = mapped_column(_one_of(SystemClass, "registry_business", "system_class"))
    business: Mapped[str] = mapped_column(String(40))
    start_date: Mapped[date]
    end_date: Mapped[date | None]


class LineRow(Base):
    """一般NACCS回線; its number never comes back."""

    __tablename__ = "registry_line"
    __table_args__ = (CheckConstraint(_shaped("number", 1, 6), "ck_registry_line_number"),)

    number: Mapped[str] = mapped_column(String(7), primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"), index=True)
    postal_code: Mapped[str] = mapped_column(String(7))
    place: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(20))
    start_date: Mapped[date]
    end_date: Mapped[date | None]


class GeneralTerminalRow(Base):
    """一般NACCS端末: without a certificate, so it is no `TerminalRow`; its name never comes back either."""

    __tablename__ = "registry_general_terminal"
    __table_args__ = (CheckConstraint(_numbered("name", 5), "ck_registry_general_terminal_name"),)

    name: Mapped[str] = mapped_column(String(6), primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"), index=True)
    system_class: Mapped[SystemClass] = mapped_column(_one_of(SystemClass, "registry_general_terminal", "system_class"))
    device: Mapped[str] = mapped_column(String(20))
    line_number: Mapped[str | None] = mapped_column(ForeignKey("registry_line.number"))
    start_date: Mapped[date]
    end_date: Mapped[date | None]


class PartnershipRow(Base):
    """共用 of a user code with another office, or 共同利用, which names none."""

    __tablename__ = "registry_partnership"
    __table_args__ = (
        _one_open("registry_partnership", "office_code", "user_code", "partner"),
        CheckConstraint("partner <> office_code", "ck_registry_partnership_partner"),
    )

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    user_code: Mapped[str] = mapped_column(String(8))
    partner: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    start_date: Mapped[date]
    end_date: Mapped[date | None]


class BrokerRow(Base):
    """通関士ID: a customs broker who acts under a user code."""

    __tablename__ = "registry_broker"
    __table_args__ = (_one_open("registry_broker", "user_code", "id_number"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"), index=True)
    user_code: Mapped[str] = mapped_column(String(8))
    id_number: Mapped[str] = mapped_column(String(3))
    family_name: Mapped[str] = mapped_column(String(40))
    given_name: Mapped[str] = mapped_column(String(40))
    family_kana: Mapped[str] = mapped_column(String(40))
    given_kana: Mapped[str] = mapped_column(String(40))
    licence: Mapped[str] = mapped_column(String(20))
    start_date: Mapped[date]
    end_date: Mapped[date | None]


class TerminalRow(Base):
    """論理端末. Its name is its key and never comes back; `suspended_from` is where a resumption returns to."""

    __tablename__ = "registry_terminal"
    __table_args__ = (
        CheckConstraint(_numbered("name", 5), "ck_registry_terminal_name"),
        CheckConstraint(
            # A condition that is NULL lets a row pass, so none of these may be.
            "(state = 'suspended') = (suspended_from IS NOT NULL)"
            " AND coalesce(suspended_from, 'pending') IN ('pending', 'in_service')",
            "ck_registry_terminal_suspended_from",
        ),
        CheckConstraint("(state = 'suspended') = (suspended_at IS NOT NULL)", "ck_registry_terminal_suspended_at"),
        CheckConstraint(
            "suspension_rule IS NULL OR (state = 'suspended' AND suspension_rule BETWEEN 1 AND 3)", "ck_registry_terminal_rule"
        ),
        CheckConstraint("(state = 'abolished') = (abolished_at IS NOT NULL)", "ck_registry_terminal_abolished_at"),
        Index(
            "ix_registry_terminal_suspended",
            "name",
            sqlite_where=text("suspended_at IS NOT NULL"),
            postgresql_where=text("suspended_at IS NOT NULL"),
        ),
    )

    name: Mapped[str] = mapped_column(String(6), primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"), index=True)
    system_class: Mapped[SystemClass] = mapped_column(_one_of(SystemClass, "registry_terminal", "system_class"))
    device_class: Mapped[DeviceClass] = mapped_column(_one_of(DeviceClass, "registry_terminal", "device_class"))
    package_class: Mapped[str] = mapped_column(String(10))
    state: Mapped[TerminalState] = mapped_column(_one_of(TerminalState, "registry_terminal", "state"))
    suspended_from: Mapped[TerminalState | None] = mapped_column(
        _one_of(TerminalState, "registry_terminal", "suspended_from_state")
    )
    suspended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # The rule that suspended it (`SuspensionRule`); none when staff did.
    suspension_rule: Mapped[int | None]
    start_date: Mapped[date]
    # The application that made it; none for a terminal that was taken over.
    receipt_number: Mapped[str | None] = mapped_column(ForeignKey("registry_application.receipt_number"), index=True)
    registered_at: Mapped[datetime] = mapped_column(UtcDateTime)
    # The gateways' list follows it: whatever changes a terminal sets it.
    changed_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    abolished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class DraftRow(Base):
    """What a user has typed so far into an application, as typed: one per user and kind.

    `receipt_number` is empty but for a correction of an application that has one, which began at its `base_version`.
    """

    __tablename__ = "registry_draft"
    __table_args__ = (UniqueConstraint("office_code", "login", "kind", "receipt_number", name="uq_registry_draft_owner"),)

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    login: Mapped[str] = mapped_column(String(60))
    kind: Mapped[str] = mapped_column(String(20))
    receipt_number: Mapped[str] = mapped_column(String(7))
    base_version: Mapped[int]
    version: Mapped[int]
    content: Mapped[dict[str, Any]] = mapped_column(JSON)
    updated_at: Mapped[datetime] = mapped_column(UtcDateTime)


class ApplicationRow(Base):
    """申込, from its receipt number on, with its applicant (申込担当者) by value."""

    __tablename__ = "registry_application"
    __table_args__ = (
        CheckConstraint(_numbered("receipt_number", 6), "ck_registry_application_receipt_number"),
        CheckConstraint("approved_by <> applied_by", "ck_registry_application_approver"),
        CheckConstraint("moved_by <> applied_by", "ck_registry_application_mover"),
        CheckConstraint("approved_by <> version_by AND version > 0", "ck_registry_application_version"),
        CheckConstraint("(approved_by IS NULL) = (start_date IS NULL)", "ck_registry_application_start_date"),
        # The center's queue: by state, oldest first.
        Index("ix_registry_application_queue", "state", "applied_at", "receipt_number"),
        Index("ix_registry_application_age", "applied_at", "receipt_number"),
        Index("ix_registry_application_office", "office_code", "applied_at"),
    )

    receipt_number: Mapped[str] = mapped_column(String(7), primary_key=True)
    # The draft that became this application, or its latest version: however often it is submitted, it becomes one.
    draft_id: Mapped[str] = mapped_column(String(32), unique=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    kind: Mapped[str] = mapped_column(String(20))
    state: Mapped[ApplicationState] = mapped_column(_one_of(ApplicationState, "registry_application", "state"))
    applied_at: Mapped[datetime] = mapped_column(UtcDateTime)
    applied_by: Mapped[str] = mapped_column(String(100))
    # Corrections make versions; the earlier ones are kept (`applications.versions`).
    version: Mapped[int]
    version_at: Mapped[datetime] = mapped_column(UtcDateTime)
    version_by: Mapped[str] = mapped_column(String(100))
    wished_start: Mapped[date]
    remarks: Mapped[str] = mapped_column(Text)
    applicant_family_name: Mapped[str] = mapped_column(String(40))
    applicant_given_name: Mapped[str] = mapped_column(String(40))
    applicant_family_kana: Mapped[str] = mapped_column(String(40))
    applicant_given_kana: Mapped[str] = mapped_column(String(40))
    applicant_department: Mapped[str] = mapped_column(String(60))
    applicant_title: Mapped[str] = mapped_column(String(40))
    applicant_phone: Mapped[str] = mapped_column(String(11))
    applicant_fax: Mapped[str] = mapped_column(String(11))
    applicant_mail: Mapped[str] = mapped_column(String(254))
    reviewed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    approved_by: Mapped[str | None] = mapped_column(String(100))
    start_date: Mapped[date | None]
    # Who moved the start date last, after the approval.
    moved_by: Mapped[str | None] = mapped_column(String(100))
    settings_deadline: Mapped[date | None]
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    # Why it was rejected, cancelled or declared void, in the center's words; or withdrawn, in the customer's.
    reason: Mapped[str | None] = mapped_column(Text)


class ApplicationItemRow(Base):
    """One ticked item: what becomes of its rows (`changes.as_stored`), and when that was carried out."""

    __tablename__ = "registry_application_item"
    __table_args__ = (
        CheckConstraint("(executed_at IS NULL) = (executed_by IS NULL)", "ck_registry_application_item_executed"),
        # What waits for somebody to do it (`applications.workload`).
        Index(
            "ix_registry_application_item_unexecuted",
            "receipt_number",
            sqlite_where=text("executed_at IS NULL AND item NOT IN ('terminals', 'price_plan')"),
            postgresql_where=text("executed_at IS NULL AND item NOT IN ('terminals', 'price_plan')"),
        ),
    )

    receipt_number: Mapped[str] = mapped_column(ForeignKey("registry_application.receipt_number"), primary_key=True)
    item: Mapped[str] = mapped_column(String(30), primary_key=True)
    entries: Mapped[list[dict[str, Any]]] = mapped_column(JSON)
    executed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    executed_by: Mapped[str | None] = mapped_column(String(100))


class AdditionRow(Base):
    """So many terminals of one kind to be added by an application."""

    __tablename__ = "registry_application_addition"
    __table_args__ = (CheckConstraint("count > 0", "ck_registry_application_addition_count"),)

    receipt_number: Mapped[str] = mapped_column(ForeignKey("registry_application.receipt_number"), primary_key=True)
    device_class: Mapped[DeviceClass] = mapped_column(
        _one_of(DeviceClass, "registry_application_addition", "device_class"), primary_key=True
    )
    system_class: Mapped[SystemClass] = mapped_column(
        _one_of(SystemClass, "registry_application_addition", "system_class"), primary_key=True
    )
    count: Mapped[int]


class TerminalChangeRow(Base):
    """An existing terminal that an application gives another system class, or (`after` is null) abolishes.

    `is_open` until it is carried out or the application ends otherwise: one open change per terminal.
    """

    __tablename__ = "registry_terminal_change"
    __table_args__ = (
        CheckConstraint("after <> before", "ck_registry_terminal_change_changes"),
        CheckConstraint("NOT (is_open AND executed_at IS NOT NULL)", "ck_registry_terminal_change_open"),
        Index(
            "uq_registry_terminal_change_open",
            "terminal_name",
            unique=True,
            sqlite_where=text("is_open"),
            postgresql_where=text("is_open"),
        ),
    )

    receipt_number: Mapped[str] = mapped_column(ForeignKey("registry_application.receipt_number"), primary_key=True)
    terminal_name: Mapped[str] = mapped_column(ForeignKey("registry_terminal.name"), primary_key=True)
    before: Mapped[SystemClass] = mapped_column(_one_of(SystemClass, "registry_terminal_change", "before"))
    after: Mapped[SystemClass | None] = mapped_column(_one_of(SystemClass, "registry_terminal_change", "after"))
    is_open: Mapped[bool]
    executed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class QueryRow(Base):
    """確認事項: what the center asks about an application, and the customer's answer."""

    __tablename__ = "registry_application_query"

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    receipt_number: Mapped[str] = mapped_column(ForeignKey("registry_application.receipt_number"), index=True)
    question: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[datetime] = mapped_column(UtcDateTime)
    asked_by: Mapped[str] = mapped_column(String(100))
    answer: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_by: Mapped[str | None] = mapped_column(String(100))
    # The application's version that the answer made, where it corrected it.
    version: Mapped[int | None]


class NewsRow(Base):
    """新着情報: one line for one office, as code and facts; the edge words it in the reader's language."""

    __tablename__ = "registry_news"
    __table_args__ = (Index("ix_registry_news_office", "office_code", "id"),)

    id: Mapped[int] = mapped_column(_Id, primary_key=True)
    office_code: Mapped[str] = mapped_column(ForeignKey("registry_office.code"))
    at: Mapped[datetime] = mapped_column(UtcDateTime)
    kind: Mapped[str] = mapped_column(String(20))
    code: Mapped[str] = mapped_column(String(40))
    receipt_number: Mapped[str | None] = mapped_column(String(7))
    target: Mapped[str | None] = mapped_column(String(60))
    facts: Mapped[dict[str, str | int | bool | None]] = mapped_column(JSON)


class SeriesRow(Base):
    """A counter that only grows: receipt numbers of a year, terminal names of a device class."""

    __tablename__ = "registry_series"

    name: Mapped[str] = mapped_column(String(20), primary_key=True)
    last: Mapped[int]
