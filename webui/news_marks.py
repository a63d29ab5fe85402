"""Which lines of 新着情報 a user has not opened yet: each user of an office for themselves.

A line is unread until its details are opened or all are marked as read. What is older than the account never was unread:
whoever comes new to an office is not greeted by its past.

    unread(session, reader, lines) -> frozenset[int]   of some lines of the reader's office
    latest_unread(session, reader, office_code, most=…) of the newest ones
    NewsMarks(database).read(person, news_id)          one line
    NewsMarks(database).read_all(person, up_to)        all lines up to one
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Integer, bindparam, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from kernel.database import Base, Database, among, insert_if_absent, many
from registry import news
from registry.news import News
from webui.accounts import Person
from webui.tables import AccountRow

_ID = BigInteger().with_variant(Integer, "sqlite")


class NewsMarkRow(Base):
    """Up to which line a user has marked all as read."""

    __tablename__ = "webui_news_mark"

    account_id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    up_to: Mapped[int] = mapped_column(_ID)


class NewsReadRow(Base):
    """A line behind that mark that a user has opened."""

    __tablename__ = "webui_news_read"

    account_id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)
    news_id: Mapped[int] = mapped_column(_ID, primary_key=True, autoincrement=False)


@dataclass(frozen=True)
class Reader:
    """From where on lines can be unread to a user: what came after the account was made, behind the mark."""

    account_id: int
    since: datetime
    up_to: int


_READER = (
    select(AccountRow.created_at, NewsMarkRow.up_to)
    .join_from(AccountRow, NewsMarkRow, NewsMarkRow.account_id == AccountRow.id, isouter=True)
    .where(AccountRow.id == bindparam("account_id"))
)
_READ = select(NewsReadRow.news_id).where(NewsReadRow.account_id == bindparam("account_id"), among(NewsReadRow.news_id))


def reader_of(session: Session, person: Person) -> Reader:
    """Return where a user's unread lines begin."""
    since, up_to = session.execute(_READER, {"account_id": person.account_id}).one()
    return Reader(person.account_id, since, up_to or 0)


def unread(session: Session, reader: Reader, lines: Iterable[News]) -> frozenset[int]:
    """Return the numbers of those of some lines that a user has not read."""
    return _unread(session, reader, [line.id for line in lines if line.id > reader.up_to and line.at >= reader.since])


def latest_unread(session: Session, reader: Reader, office_code: str, *, most: int) -> frozenset[int]:
    """Return the numbers of the newest lines of an office, so many at most, that a user has not read."""
    return _unread(session, reader, news.behind(session, office_code, reader.up_to, reader.since, most=most))


def _unread(session: Session, reader: Reader, ids: Collection[int]) -> frozenset[int]:
    if not ids:
        return frozenset()
    return frozenset(ids) - set(session.scalars(_READ, {"account_id": reader.account_id, **many(ids)}))


@dataclass(frozen=True)
class NewsMarks:
    """What a user does to the marks. Doing it twice is doing it once; nothing of it is a deed that anybody audits."""

    database: Database

    def read(self, account_id: int, news_id: int) -> None:
        """Mark a line as read."""
        with self.database.transaction() as session:
            insert_if_absent(session, NewsReadRow, {"account_id": account_id, "news_id": news_id})

    def read_all(self, account_id: int, up_to: int) -> None:
        """Mark all lines up to one as read; what came in since stays unread. A mark never goes back."""
        with self.database.transaction() as session:
            if not insert_if_absent(session, NewsMarkRow, {"account_id": account_id, "up_to": up_to}):
                mark = session.get_one(NewsMarkRow, account_id, with_for_update=True)
                mark.up_to = max(mark.up_to, up_to)
            session.execute(
                delete(NewsReadRow).where(NewsReadRow.account_id == account_id, NewsReadRow.news_id <= up_to)
            )  # fmt: skip
