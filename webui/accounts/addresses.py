"""Changes of whom we write to: a user's mail, an applicant's mail, an office's administrator (管理責任者).

A change takes effect when both addresses have confirmed it, the present one and the new one, each by a link that it was
mailed; or when staff confirm it in their stead, because the present address is nobody's any more, and say how they made sure.
An address that stays the same is asked once. Both are told what became of it.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import select
from sqlalchemy.orm import Session

from kernel import audit, outbox
from kernel.audit import Actor
from kernel.clock import Clock
from kernel.database import Database
from kernel.errors import Refused
from registry import addresses as registry_addresses
from registry import applications, offices
from registry.applicants import Contact
from webui.accounts import links
from webui.accounts.letters import WHO_ASKS, WHO_ASKS_EN, UserLetters
from webui.accounts.links import MAIL_PURPOSES, Purpose
from webui.accounts.persons import AccountState, Door, Person, find
from webui.tables import AddressChangeRow, LinkRow

LASTING = timedelta(days=7)
REASON_MOST = 200


class Kind(StrEnum):
    """Whose address changes."""

    USER = "user"
    APPLICANT = "applicant"
    ADMINISTRATOR = "administrator"


class ChangeState(StrEnum):
    """What became of a change."""

    OPEN = "open"
    DONE = "done"
    WITHDRAWN = "withdrawn"


_NAMES: Mapping[Kind, tuple[str, str]] = {
    Kind.USER: ("ユーザーのメールアドレス", "mail address of a user"),
    Kind.APPLICANT: ("申込担当者のメールアドレス", "mail address of an applicant"),
    Kind.ADMINISTRATOR: ("管理責任者", "administrator of the office"),
}


@dataclass(frozen=True)
class Change:
    """One change, for pages. `contact` is the new administrator; who confirmed stands in the two instants and `confirmed_by`."""

    id: str
    office_code: str
    kind: Kind
    subject: str
    old_mail: str
    new_mail: str
    contact: Contact | None
    requested_by: str
    requested_at: datetime
    expires_at: datetime
    old_confirmed_at: datetime | None
    new_confirmed_at: datetime | None
    confirmed_by: str | None
    reason: str | None
    state: ChangeState


@dataclass(frozen=True)
class _Wish:
    kind: Kind
    subject: str
    old_mail: str
    new_mail: str
    contact: Contact | None = None


@dataclass(frozen=True)
class AddressChanges:
    """The use cases of changing addresses."""

    database: Database
    clock: Clock
    letters: UserLetters

    def of_user(self, person: Person, mail: str) -> Change:
        """Ask for another mail address of one's own account; raises Refused("address-same")."""
        return self._request(person, lambda session: _Wish(Kind.USER, person.login, _user_mail(session, person), mail))

    def of_applicant(self, person: Person, receipt_number: str, mail: str) -> Change:
        """Ask for another mail address of an application's applicant; raises Refused: application-unknown, address-same."""

        def wish(session: Session) -> _Wish:
            application = applications.find(session, receipt_number)
            if application is None or application.office_code != person.office_code:
                raise Refused("application-unknown", receipt_number=receipt_number)
            return _Wish(Kind.APPLICANT, receipt_number, application.applicant.mail, mail)

        return self._request(person, wish)

    def of_administrator(self, person: Person, contact: Contact) -> Change:
        """Ask for another administrator of the office, or other data of the present one; raises Refused("address-same")."""

        def wish(session: Session) -> _Wish:
            office = offices.get(session, person.office_code)
            if office is None:
                raise Refused("office-unknown", office_code=person.office_code)
            if office.administrator == contact:
                raise Refused("address-same")
            return _Wish(Kind.ADMINISTRATOR, "", office.administrator.mail, contact.mail, contact)

        return self._request(person, wish)

    def look(self, token: str) -> Change:
        """Return the change that a link confirms; raises Refused("link-invalid")."""
        now = self.clock.now()
        with self.database.snapshot() as session:
            return _change(_linked(session, links.opened(session, token, MAIL_PURPOSES, now), now))

    def confirm(self, token: str) -> Change:
        """Confirm a change for the address that a link was mailed to; the second of two carries it out.

        Raises Refused("link-invalid").
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _linked(session, links.opened(session, token, MAIL_PURPOSES, now), now, lock_row=True)
            link = links.opened(session, token, MAIL_PURPOSES, now, lock_row=True)
            links.use(link, now)
            is_old = link.purpose == Purpose.CONFIRM_OLD
            if is_old:
                row.old_confirmed_at = now
            if not is_old or _is_same(row):
                row.new_confirmed_at = now
            _record(session, row, Actor("visitor", "mail"), "address.confirm", now, side="old" if is_old else "new")
            if row.old_confirmed_at is not None and row.new_confirmed_at is not None:
                self._settle(session, row, Actor("visitor", "mail"), now)
            return _change(row)

    def confirm_as_staff(self, change_id: str, reason: str, actor: Actor) -> Change:
        """Carry a change out in the addresses' stead; `reason` says how staff made sure that it is wanted.

        Raises Refused: reason-required, reason-too-long, change-unknown, change-over.
        """
        reason = _reason(reason)
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _open(session, change_id, now)
            row.confirmed_by, row.reason = str(actor), reason
            self._settle(session, row, actor, now)
            return _change(row)

    def decline(self, change_id: str, actor: Actor, *, office_code: str | None = None) -> Change:
        """End a change that is not wanted: staff do, or (with `office_code`) somebody of its office.

        Raises Refused: change-unknown, change-over.
        """
        now = self.clock.now()
        with self.database.transaction() as session:
            row = _open(session, change_id, now, office_code=office_code)
            _end(session, row, actor, now)
            return _change(row)

    def _request(self, person: Person, wish_of: Callable[[Session], _Wish]) -> Change:
        now = self.clock.now()
        with self.database.transaction() as session:
            wish = wish_of(session)
            if wish.contact is None and wish.old_mail.casefold() == wish.new_mail.casefold():
                raise Refused("address-same")
            for earlier in _open_ones(session, person.office_code, wish.kind, wish.subject):
                _end(session, earlier, person.actor, now)
            row = AddressChangeRow(
                id=secrets.token_hex(16),
                office_code=person.office_code,
                kind=wish.kind.value,
                subject=wish.subject,
                old_mail=wish.old_mail,
                new_mail=wish.new_mail,
                content=asdict(wish.contact) if wish.contact else None,
                requested_by=str(person.actor),
                requested_at=now,
                expires_at=now + LASTING,
                state=ChangeState.OPEN.value,
            )
            session.add(row)
            session.flush()
            _record(session, row, person.actor, "address.request", now)
            self._ask(session, row, person, now)
            return _change(row)

    def _ask(self, session: Session, row: AddressChangeRow, person: Person, now: datetime) -> None:
        """Mail each of the two addresses its link; one link only when they are the same."""
        ja, en = _NAMES[Kind(row.kind)]
        sides = {Purpose.CONFIRM_OLD: row.old_mail, Purpose.CONFIRM_NEW: row.new_mail}
        if _is_same(row):
            del sides[Purpose.CONFIRM_NEW]
        for purpose, mail in sides.items():
            link = links.order(session, purpose, now, change_id=row.id)
            text_ja = f"""\
{ja}の変更の申し出がありました。内容をご確認のうえ、次のリンクで承認してください。

{_facts_ja(row)}
申し出た方：{person.name}({person.login})

{link}

変更前と変更後の両方のアドレスで承認されると、変更されます。{WHO_ASKS}"""
            text_en = f"""\
Somebody asked for a change: {en}. If you agree, open the link above and confirm.

{_facts_en(row)}
Asked by: {person.name} ({person.login})

It takes effect when the present and the new address have both confirmed.
{WHO_ASKS_EN}"""
            body = self.letters.framed(_reader(session, row, mail), text_ja, text_en)
            self._post(session, row, mail, "【NSS】連絡先変更のご確認", body, now)

    def _settle(self, session: Session, row: AddressChangeRow, actor: Actor, now: datetime) -> None:
        mails = dict.fromkeys((row.old_mail, row.new_mail))
        # Who they are to whom we write is asked before the change makes them somebody else.
        names = {mail: _reader(session, row, mail) for mail in mails}
        _carry_out(session, row, now)
        row.state, row.ended_at = ChangeState.DONE.value, now
        links.withdraw(session, now, change_id=row.id)
        _record(session, row, actor, "address.change", now, by_staff=row.confirmed_by is not None)
        ja, en = _NAMES[Kind(row.kind)]
        how_ja = "センターの職員が確認しました。" if row.confirmed_by else "両方のアドレスで承認されました。"
        how_en = "It was confirmed by the center's staff." if row.confirmed_by else "Both addresses have confirmed it."
        text_ja = (
            f"{ja}を変更しました。{how_ja}\n\n{_facts_ja(row)}\n\n心当たりがない場合は、すぐにヘルプデスクへご連絡ください。"
        )
        text_en = f"Changed: {en}. {how_en}\n\n{_facts_en(row)}\n\nIf you did not expect this, call the help desk at once."
        for mail, name in names.items():
            body = self.letters.framed(name, text_ja, text_en)
            self._post(session, row, mail, "【NSS】連絡先変更完了のお知らせ", body, now)

    def _post(self, session: Session, row: AddressChangeRow, mail: str, subject: str, body: str, now: datetime) -> None:
        # Whom the office's mails go to concerns all of it; a user's own address does not.
        is_personal = Kind(row.kind) is Kind.USER
        message = outbox.Message(subject, body)
        outbox.post_message(
            session, message, now=now, recipient=mail, office_code=row.office_code, is_personal=is_personal
        )  # fmt: skip


def open_changes(session: Session, now: datetime, *, office_code: str = "", most: int = 200) -> tuple[Change, ...]:
    """Return the changes that wait for somebody, the oldest first: of an office, or of all."""
    waiting = (AddressChangeRow.state == ChangeState.OPEN.value) & (AddressChangeRow.expires_at > now)
    query = select(AddressChangeRow).where(waiting).order_by(AddressChangeRow.requested_at, AddressChangeRow.id)
    if office_code:
        query = query.where(AddressChangeRow.office_code == office_code)
    return tuple(map(_change, session.scalars(query.limit(most))))


def get(session: Session, change_id: str) -> Change | None:
    """Return one change."""
    row = session.get(AddressChangeRow, change_id)
    return _change(row) if row else None


def _carry_out(session: Session, row: AddressChangeRow, now: datetime) -> None:
    match Kind(row.kind):
        case Kind.USER:
            account = find(session, Door.PORTAL, row.office_code, row.subject, lock_row=True)
            if account is None or account.state == AccountState.REMOVED:
                raise Refused("change-over")
            account.mail = row.new_mail
            # A link that was mailed to the old address must not outlive it.
            links.withdraw(session, now, account_id=account.id)
        case Kind.APPLICANT:
            registry_addresses.set_applicant_mail(session, row.office_code, row.subject, row.new_mail)
        case Kind.ADMINISTRATOR:
            registry_addresses.set_administrator(session, row.office_code, Contact(**(row.content or {})))


def _reader(session: Session, row: AddressChangeRow, mail: str) -> str:
    """Return the name of whom a mail about a change goes to; the office's code where the records name nobody any more."""
    match Kind(row.kind):
        case Kind.USER:
            account = find(session, Door.PORTAL, row.office_code, row.subject)
            return account.name if account else row.office_code
        case Kind.APPLICANT:
            application = applications.find(session, row.subject)
            return application.applicant.full_name if application else row.office_code
        case Kind.ADMINISTRATOR:
            office = offices.get(session, row.office_code)
            if row.content and mail == row.new_mail and not _is_same(row):
                return Contact(**row.content).full_name
            return office.administrator.full_name if office else row.office_code


def _open(session: Session, change_id: str, now: datetime, *, office_code: str | None = None) -> AddressChangeRow:
    row = session.get(AddressChangeRow, change_id, with_for_update=True)
    if row is None or office_code not in (None, row.office_code):
        raise Refused("change-unknown")
    if row.state != ChangeState.OPEN or row.expires_at <= now:
        raise Refused("change-over")
    return row


def _open_ones(session: Session, office_code: str, kind: Kind, subject: str) -> list[AddressChangeRow]:
    same = (AddressChangeRow.office_code == office_code) & (AddressChangeRow.kind == kind.value)
    same &= (AddressChangeRow.subject == subject) & (AddressChangeRow.state == ChangeState.OPEN.value)
    return list(session.scalars(select(AddressChangeRow).where(same).with_for_update()))


def _end(session: Session, row: AddressChangeRow, actor: Actor, now: datetime) -> None:
    row.state, row.ended_at = ChangeState.WITHDRAWN.value, now
    links.withdraw(session, now, change_id=row.id)
    _record(session, row, actor, "address.decline", now)


def _linked(session: Session, link: LinkRow, now: datetime, *, lock_row: bool = False) -> AddressChangeRow:
    query = select(AddressChangeRow).where(AddressChangeRow.id == link.change_id)
    row = session.scalar(query.with_for_update() if lock_row else query)
    if row is None or row.state != ChangeState.OPEN or row.expires_at <= now:
        raise Refused("link-invalid")
    return row


def _user_mail(session: Session, person: Person) -> str:
    account = find(session, Door.PORTAL, person.office_code, person.login)
    if account is None:
        raise Refused("user-unknown")
    return account.mail


def _is_same(row: AddressChangeRow) -> bool:
    return row.old_mail.casefold() == row.new_mail.casefold()


def _reason(text: str) -> str:
    line = " ".join(text.split())
    if not line:
        raise Refused("reason-required")
    if len(line) > REASON_MOST:
        raise Refused("reason-too-long", most=REASON_MOST)
    return line


def _facts_ja(row: AddressChangeRow) -> str:
    subject = f"対象：{row.subject}\n" if row.subject else ""
    contact = Contact(**row.content) if row.content else None
    named = f"変更後の管理責任者：{contact.full_name}\n" if contact else ""
    return f"事業所コード：{row.office_code}\n{subject}{named}変更前：{row.old_mail}\n変更後：{row.new_mail}"


def _facts_en(row: AddressChangeRow) -> str:
    subject = f"Subject: {row.subject}\n" if row.subject else ""
    contact = Contact(**row.content) if row.content else None
    named = f"New administrator: {contact.full_name}\n" if contact else ""
    return f"Office code: {row.office_code}\n{subject}{named}Before: {row.old_mail}\nAfter: {row.new_mail}"


def _change(row: AddressChangeRow) -> Change:
    return Change(
        id=row.id,
        office_code=row.office_code,
        kind=Kind(row.kind),
        subject=row.subject,
        old_mail=row.old_mail,
        new_mail=row.new_mail,
        contact=Contact(**row.content) if row.content else None,
        requested_by=row.requested_by,
        requested_at=row.requested_at,
        expires_at=row.expires_at,
        old_confirmed_at=row.old_confirmed_at,
        new_confirmed_at=row.new_confirmed_at,
        confirmed_by=row.confirmed_by,
        reason=row.reason,
        state=ChangeState(row.state),
    )


def _record(session: Session, row: AddressChangeRow, actor: Actor, action: str, now: datetime, **facts: str | bool) -> None:
    subject = {Kind.USER: "account", Kind.APPLICANT: "application", Kind.ADMINISTRATOR: "office"}[Kind(row.kind)]
    name = {Kind.USER: f"{row.office_code}/{row.subject}", Kind.APPLICANT: row.subject, Kind.ADMINISTRATOR: row.office_code}
    audit.record(
        session,
        now=now,
        actor=actor,
        action=action,
        subject=f"{subject}:{name[Kind(row.kind)]}",
        office_code=row.office_code,
        change=row.id,
        kind=row.kind,
        **facts,
    )
