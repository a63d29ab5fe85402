"""Unread marks: each user's own, gone when the details were opened or all are marked as read."""

import re

from registry import news
from registry.news import NewsKind
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor


def publish(doors: Doors, terminal: str = "00001W", office_code: str = "NAC001") -> None:
    with doors.database.transaction() as session:
        news.publish(
            session,
            now=doors.clock.now(),
            office_code=office_code,
            kind=NewsKind.CERTIFICATE,
            code="certificate-retrieved",
            terminal=terminal,
        )


def marks(visitor: Visitor, path: str = "/") -> int:
    return len(re.findall(r">未読<", visitor.get(path).text))


def details(visitor: Visitor) -> list[str]:
    return re.findall(r'action="(/news/\d+)"', visitor.get("/").text)


def test_a_line_is_unread_until_its_details_are_opened_by_each_user(doors: Doors) -> None:
    publish(doors)
    publish(doors, "00002W")
    hanako, jiro = doors.customer(), doors.customer("jiro", address="192.0.2.9")
    assert (marks(hanako), marks(jiro)) == (2, 2)
    assert "未読2件" in hanako.get("/").text
    newest = details(hanako)[0]
    for _ in range(2):
        assert hanako.post(newest).location == "/contract/netnaccs"
    assert (marks(hanako), marks(jiro)) == (1, 2)
    assert marks(hanako, "/news") == 1


def test_all_are_marked_as_read_but_for_what_came_in_since(doors: Doors) -> None:
    publish(doors)
    publish(doors, "00002W")
    hanako = doors.customer()
    first = details(hanako)[1]
    hanako.post(first)
    seen = re.search(r'name="up_to" value="(\d+)"', hanako.get("/").text)
    assert seen is not None
    publish(doors, "00003W")
    assert hanako.post("/news/read", {"up_to": seen[1]}).status_code == 303
    assert marks(hanako) == 1
    assert hanako.post("/news/read", {"up_to": first.rpartition("/")[2]}).status_code == 303
    assert marks(hanako) == 1


def test_nobody_marks_or_opens_another_offices_lines(doors: Doors) -> None:
    publish(doors, office_code="NAC002")
    saburo = doors.customer("saburo", office_code="NAC002", address="192.0.2.8")
    foreign = details(saburo)[0]
    hanako = doors.customer()
    hanako.get("/")
    assert hanako.post(foreign).status_code == 404
    for number in (foreign.rpartition("/")[2], "", "x", "9" * 19, "9" * 40, "-1"):
        assert hanako.post("/news/read", {"up_to": number}).status_code == 400
    assert hanako.post(f"/news/{'9' * 30}").status_code == 404
    assert marks(saburo) == 1


def test_what_is_older_than_the_account_was_never_unread(doors: Doors) -> None:
    doors.clock.advance(-doors.clock.now().resolution * 10)
    publish(doors)
    doors.clock.advance(doors.clock.now().resolution * 10)
    assert marks(doors.customer()) == 0
