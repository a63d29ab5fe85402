"""The demo's bulletin is not empty at first look."""

from datetime import timedelta

import pytest

from kernel import audit
from kernel.clock import tokyo_date
from kernel.database import Database
from registry import bulletin
from registry.bulletin import Wanted, check_content, content_form
from server import demo_notices
from tests.support.clock import SettableClock

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def test_the_demo_has_notices_of_several_kinds_once(database: Database, clock: SettableClock) -> None:
    for _ in range(2):
        demo_notices.make(database, clock, audit.staff("sato"), audit.staff("kato"))
    with database.snapshot() as session:
        found = bulletin.visible(session, clock.now(), Wanted()).records
        pinned = bulletin.pinned(session, clock.now())
        later = bulletin.visible(session, clock.now() + timedelta(days=11), Wanted()).records
    contents = [notice.content for notice in found]
    assert {content.category for content in contents} | {notice.content.category for notice in pinned} == {
        "software",
        "procedures",
        "maintenance",
    }
    assert len(contents) == len({content.title_ja for content in contents}) == 3
    assert "maintenance" not in {notice.content.category for notice in later}
    for content in contents:  # what staff could have typed
        typed = {name: [value] for name, value in content_form(content).items()}
        assert check_content(typed, tokyo_date(clock.now())) == content
