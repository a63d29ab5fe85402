"""The pages about accounts in a real browser: accessible, within 320 px, without complaint; links leave no trace."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from kernel.outbox import DeliveryFailed, Letter
from tests.support.browser import NARROW, Chromium, Visit
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect
from tests.webui.mailbox import Mailbox
from tests.webui.visitors import PASSWORD

# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@dataclass(frozen=True)
class Served:
    """Both doors' addresses, and what browsers trust."""

    portal: str
    center: str
    root: Path


@pytest.fixture
def served(doors: Doors, tmp_path: Path) -> Iterator[Served]:
    """Serve both doors over TLS."""
    credentials, _ = localhost_credentials(tmp_path)
    with ExitStack() as stack:
        urls = []
        for app in (doors.portal, doors.center):
            listener = socket.create_server(("127.0.0.1", 0), backlog=128)
            stack.enter_context(serving(app, listener, credentials))
            urls.append(listener_url(listener))
        yield Served(urls[0], urls[1], tmp_path / "localhost-root.pem")


@pytest.fixture
def mailbox(doors: Doors) -> Mailbox:
    return Mailbox(doors.database, doors.clock)


def refuse(letter: Letter) -> None:
    raise DeliveryFailed(f"550 {letter.recipient}", permanent=True)


def read(visit: Visit, url: str, pages: dict[str, str], size: str) -> None:
    for name, path in pages.items():
        visit.page.goto(url + path)
        inspect(visit, f"accounts-{name}-{size}")


def invite(visit: Visit, served: Served, size: str) -> None:
    """Invite somebody, with a slip on the way."""
    page = visit.page
    page.get_by_role("link", name="ユーザーを招待する").click()
    page.get_by_role("button", name="招待する").click()
    inspect(visit, f"accounts-invitation-faulty-{size}")
    page.get_by_label("ユーザーID").fill("saburo")
    page.get_by_label("氏名").fill("通関　三郎")
    page.get_by_label("メールアドレス").fill("saburo@example.jp")
    page.get_by_label("コードを見る").check()
    page.get_by_role("button", name="招待する").click()
    page.get_by_text("招待のメールを送りました").wait_for()
    assert page.url == f"{served.portal}/users"


def test_an_office_manages_its_users(chromium: Chromium, served: Served, doors: Doors, mailbox: Mailbox) -> None:
    size = "narrow"
    with chromium.visit(served.root, viewport=NARROW) as visit:
        page = visit.page
        page.goto(f"{served.portal}/forgotten")
        page.get_by_role("button", name="リンクを送る").click()
        inspect(visit, f"accounts-forgotten-faulty-{size}")
        read(visit, served.portal, {"asked": "/forgotten/asked", "chosen": "/account/password/chosen"}, size)
        log_in(page, doors, served.portal, "hanako", "NAC001")
        page.goto(f"{served.portal}/users")
        invite(visit, served, size)
        mailbox.fetch(refuse)
        page.goto(f"{served.portal}/mail-address")
        page.locator("#mail").fill("new@example.jp")
        page.get_by_role("button", name="確認のメールを送る").click()
        inspect(visit, f"accounts-mail-faulty-{size}")
        page.locator("#mail").fill("new@example.jp")
        page.get_by_label("新しいメールアドレス(確認用)").fill("new@example.jp")
        page.get_by_role("button", name="確認のメールを送る").click()
        pages = {
            "menu": "/",
            "users": "/users",
            "user": "/users/saburo",
            "self": "/users/hanako",
            "remove": "/users/saburo/remove",
            "administrator": "/administrator",
        }
        read(visit, served.portal, pages, size)
        page.get_by_role("button", name="English").click()
        read(visit, served.portal, pages, f"english-{size}")


def test_staff_manage_accounts(chromium: Chromium, served: Served, doors: Doors, mailbox: Mailbox) -> None:
    hanako = doors.customer()
    hanako.get("/mail-address")
    hanako.post("/mail-address", dict.fromkeys(("mail", "mail_again"), "new@example.jp"))
    mailbox.fetch(refuse)
    size = "narrow"
    with chromium.visit(served.root, viewport=NARROW) as visit:
        page = visit.page
        log_in(page, doors, served.center, "ito")
        page.goto(f"{served.center}/address-changes/")
        inspect(visit, f"accounts-changes-{size}")
        page.get_by_role("link", name="承認する").first.click()
        page.get_by_role("button", name="確認へ進む").click()
        inspect(visit, f"accounts-change-faulty-{size}")
        page.get_by_label("確認した方法").fill("登録の番号に電話した")
        page.get_by_role("button", name="確認へ進む").click()
        inspect(visit, f"accounts-change-confirmation-{size}")
        page.goto(f"{served.center}/staff-invitation")
        page.get_by_role("button", name="招待する").click()
        inspect(visit, f"accounts-staff-invitation-faulty-{size}")
        pages = {
            "office-users": "/offices/NAC001/users",
            "office-user": "/offices/NAC001/users/hanako",
            "office-disable": "/offices/NAC001/users/hanako/disable",
            "office-administrator": "/offices/NAC001/administrator-account",
            "staff": "/staff",
            "staff-member": "/staff/kato",
            "mail": "/mails/1",
        }
        read(visit, served.center, pages, size)


@pytest.mark.parametrize("script", [True, False])
def test_a_link_sets_a_password_with_and_without_script(
    chromium: Chromium, served: Served, doors: Doors, mailbox: Mailbox, *, script: bool
) -> None:
    hanako = doors.customer()
    hanako.get("/users/jiro/link")
    hanako.post("/users/jiro/link")
    token = mailbox.token_of("jiro@example.jp")
    with chromium.visit(served.root, viewport=NARROW, javascript=script) as visit:
        page = visit.page
        page.goto(f"{served.portal}/account/password#{token}")
        if script:
            assert page.get_by_label("確認コード").input_value() == token
            assert page.url == f"{served.portal}/account/password"
            inspect(visit, "accounts-password")
        else:
            page.get_by_label("確認コード").fill(token)
        for name in ("new_password", "new_password_again"):
            page.locator(f"#{name}").fill(f"atarashii-{PASSWORD}")
        page.get_by_role("button", name="設定する").click()
        page.wait_for_url(f"{served.portal}/account/password/chosen")


def test_an_address_is_confirmed_by_its_link(chromium: Chromium, served: Served, doors: Doors, mailbox: Mailbox) -> None:
    hanako = doors.customer()
    hanako.get("/mail-address")
    hanako.post("/mail-address", dict.fromkeys(("mail", "mail_again"), "new@example.jp"))
    with chromium.visit(served.root, viewport=NARROW) as visit:
        page = visit.page
        page.goto(f"{served.portal}/account/mail#{mailbox.token_of('new@example.jp')}")
        inspect(visit, "accounts-address-code")
        page.get_by_role("button", name="内容を確認する").click()
        inspect(visit, "accounts-address-change")
        page.get_by_role("button", name="この変更を承認する").click()
        inspect(visit, "accounts-address-confirmed")
