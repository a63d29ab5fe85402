"""A bulletin with notices of each kind, and the house's root."""

import dataclasses
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from kernel import audit
from kernel.clock import tokyo_date
from registry.bulletin import BulletinDesk, Content
from tests.support.localhost_tls import localhost_credentials
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor
from webui import bulletin
from webui.bulletin import BulletinParts, read_roots

SATO = audit.staff("sato")
BODY_JA = """## 停止する業務
12月1日(火)の午前2時から4時まで、証明書の取得と更新を停止します。

- ログオンには影響しません
- 更新は[期間内](/bulletin/manuals/renewal)であれば、いつでもできます

くわしくは https://portal.example.jp/bulletin/ をご覧ください。<script>alert(1)</script>"""
BODY_EN = """## What stops
Retrieval and renewal stop on Tuesday 1 December from 2 to 4 a.m.

- Logon goes on
- [Renew](/bulletin/manuals/renewal) at any other time"""
MAINTENANCE = Content("maintenance", "定期メンテナンスのお知らせ", "Planned maintenance", BODY_JA, BODY_EN)
INCIDENT = Content(
    "incident", "接続しにくい状態について", "Connections are slow", "調査しています。", "We look into it.", is_urgent=True
)
PINNED = Content("authority", "新しい発行局", "A new issuing authority", "世代が替わります。", "A change.", is_pinned=True)


@dataclass(frozen=True)
class Board:
    """The bulletin's door, its staff, and the numbers of its notices."""

    doors: Doors
    desk: BulletinDesk
    maintenance: int
    incident: int
    pinned: int
    draft: int
    withdrawn: int
    planned: int

    def publish(self, content: Content) -> int:
        """Publish a notice and return its number."""
        return publish(self.desk, content)

    def reader(self) -> Visitor:
        """Return someone who never logged in."""
        return Visitor(self.doors.portal)


@pytest.fixture
def board(doors: Doors) -> Board:
    """Return a bulletin with two visible notices and an urgent one; a draft, one of tomorrow, and one that is gone."""
    desk = BulletinDesk(doors.database, doors.clock)
    tomorrow = tokyo_date(doors.clock.now()) + timedelta(days=1)
    pinned, maintenance, incident = publish(desk, PINNED), publish(desk, MAINTENANCE), publish(desk, INCIDENT)
    planned = publish(desk, dataclasses.replace(MAINTENANCE, title_ja="あしたの話", publish_from=tomorrow))
    withdrawn = publish(desk, dataclasses.replace(MAINTENANCE, title_ja="誤報", title_en="Wrong"))
    desk.withdraw(withdrawn, 2, SATO, reason="誤り")
    draft = desk.draft(dataclasses.replace(MAINTENANCE, title_ja="下書き"), SATO)
    return Board(doors, desk, maintenance, incident, pinned, draft, withdrawn, planned)


@pytest.fixture
def trusted_board(board: Board, tmp_path: Path) -> Board:
    """Return the same bulletin with a root to show, which lies in `localhost-root.pem`."""
    localhost_credentials(tmp_path)
    roots = read_roots((tmp_path / "localhost-root.pem").read_bytes())
    bulletin.equip(board.doors.portal, BulletinParts(roots, "https://localhost:8444"))
    return board


def publish(desk: BulletinDesk, content: Content) -> int:
    """Publish a notice and return its number."""
    number = desk.draft(content, SATO)
    desk.publish(number, 1, SATO)
    return number
