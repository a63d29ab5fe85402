"""掲示板: what the center tells everyone, in Japanese and English. Notices know nothing of offices, terminals or pages.

Use cases of staff are `BulletinDesk` (draft, publish, correct, withdraw). For readers, all of which take the instant for which
they are asked, because a notice is visible from one instant until another:

    visible(session, now, wanted, page=1) -> Page[Notice]     newest first; `wanted` a Wanted: category, month, text
    pinned(session, now), urgent(session, now) -> tuple[Notice, ...]
    months(session, now) -> tuple[Month, ...]                 newest first, with the number of notices
    find_public(session, number, now) -> Notice | None        also one that is gone: see Notice.is_visible
    changed_at(session, now) -> datetime | None               when what readers see changed last

For staff: `find`, `listed`, `revisions`. `check_content` reads the form that both write.
"""

from registry.bulletin.categories import CATEGORIES, Category
from registry.bulletin.contents import Content, check_content, content_form
from registry.bulletin.desk import BulletinDesk
from registry.bulletin.reading import (
    Month,
    Wanted,
    changed_at,
    find,
    find_public,
    listed,
    months,
    pinned,
    revisions,
    urgent,
    visible,
)
from registry.bulletin.records import BULLETIN, Notice, NoticeState, Revision

__all__ = [
    "BULLETIN",
    "CATEGORIES",
    "BulletinDesk",
    "Category",
    "Content",
    "Month",
    "Notice",
    "NoticeState",
    "Revision",
    "Wanted",
    "changed_at",
    "check_content",
    "content_form",
    "find",
    "find_public",
    "listed",
    "months",
    "pinned",
    "revisions",
    "urgent",
    "visible",
]
