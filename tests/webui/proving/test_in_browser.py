"""Passkeys in a real browser with an authenticator of its own (WebAuthn's automation), and the pages held against the bar."""

import re
import socket
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyotp
import pytest
from playwright.sync_api import CDPSession
from sqlalchemy import delete, select

from tests.support.browser import DESKTOP, NARROW, Chromium, Visit
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import Doors
from tests.webui.entering import log_in, type_password
from tests.webui.inspection import inspect
from tests.webui.visitors import PASSWORD
from webui.factors import RelyingParty
from webui.factors.tables import PasskeyRow, TotpRow

HANAKO = ("hanako", "NAC001")
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
# The pages look alike whatever lies below.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
def portal_url(doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the portal over TLS and return its address, which it knows itself by."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    url = listener_url(listener)
    passkeys = doors.portal.extensions["webui"].parts.passkeys
    object.__setattr__(passkeys, "relying_party", RelyingParty.of(url, "tegata"))
    with serving(doors.portal, listener, credentials):
        yield url


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return what the browser trusts."""
    return tmp_path / "localhost-root.pem"


def authenticator(visit: Visit, **options: Any) -> tuple[CDPSession, str]:  # noqa: ANN401 (the protocol's own values)
    """Give the browser an authenticator; return what speaks with it, and its name."""
    session = visit.page.context.new_cdp_session(visit.page)
    session.send("WebAuthn.enable", {"enableUI": False})
    made = session.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR | options})
    return session, made["authenticatorId"]


def add_passkey(visit: Visit, url: str, name: str) -> None:
    visit.page.goto(f"{url}/factors")
    visit.page.get_by_role("link", name="パスキーを登録する").click()
    visit.page.get_by_label("パスキーの名前").fill(name)
    visit.page.get_by_role("button", name="パスキーを登録する").click()


@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_a_passkey_is_added_opens_the_door_and_proves_again(
    chromium: Chromium, doors: Doors, portal_url: str, root: Path, size: str
) -> None:
    with chromium.visit(root, viewport=DESKTOP if size == "wide" else NARROW) as visit:
        page = visit.page
        session, key = authenticator(visit)
        log_in(page, doors, portal_url, *HANAKO)
        page.goto(f"{portal_url}/factors/passkeys/new")
        inspect(visit, f"portal-passkey-new-{size}")
        add_passkey(visit, portal_url, "事務所のパソコン")
        page.get_by_role("link", name="保管したので、次へ進む").wait_for()
        inspect(visit, f"portal-recovery-codes-{size}")
        page.get_by_role("link", name="保管したので、次へ進む").click()
        page.get_by_text("事務所のパソコン").first.wait_for()
        inspect(visit, f"portal-factors-{size}")
        assert len(session.send("WebAuthn.getCredentials", {"authenticatorId": key})["credentials"]) == 1

        page.get_by_role("button", name="ログアウト").click()
        page.get_by_role("button", name="パスキーを使う").click()
        page.wait_for_url(f"{portal_url}/")
        page.goto(f"{portal_url}/log-ins")
        assert "ログイン(パスキー)" in page.inner_text("main")
        inspect(visit, f"portal-log-ins-{size}")
        page.goto(f"{portal_url}/sessions")
        inspect(visit, f"portal-sessions-{size}")

        doors.clock.advance(timedelta(minutes=15))
        page.goto(f"{portal_url}/factors")
        page.get_by_role("button", name="回復コードを作り直す").click()
        page.get_by_role("heading", name="ご本人の確認").wait_for()
        inspect(visit, f"portal-step-up-{size}")
        page.get_by_role("button", name="パスキーで確認する").click()
        page.get_by_role("heading", name="回復コード").wait_for()

        page.goto(f"{portal_url}/factors")
        page.get_by_role("link", name="削除する 事務所のパソコン").click()
        inspect(visit, f"portal-factor-removal-{size}")
        page.get_by_role("button", name="削除する").click()
        page.get_by_text("を削除しました").wait_for()


def test_the_passkey_stands_for_the_second_step_too(chromium: Chromium, doors: Doors, portal_url: str, root: Path) -> None:
    with chromium.visit(root) as visit:
        page = visit.page
        authenticator(visit)
        log_in(page, doors, portal_url, *HANAKO)
        add_passkey(visit, portal_url, "")
        page.get_by_role("link", name="保管したので、次へ進む").click()
        page.get_by_text("Chrome / Linux").first.wait_for()
        page.get_by_role("button", name="ログアウト").click()
        type_password(page, *HANAKO)
        inspect(visit, "portal-second-step-passkey")
        page.get_by_role("button", name="パスキーで確認する").click()
        page.wait_for_url(f"{portal_url}/")


def test_a_key_that_does_not_verify_its_user_is_not_taken(
    chromium: Chromium, doors: Doors, portal_url: str, root: Path
) -> None:  # fmt: skip
    with chromium.visit(root) as visit:
        page = visit.page
        authenticator(visit, isUserVerified=False)
        log_in(page, doors, portal_url, *HANAKO)
        add_passkey(visit, portal_url, "x")
        page.get_by_text("パスキーを登録できませんでした").wait_for()
        inspect(visit, "portal-passkey-refused")
        with doors.database.snapshot() as session:
            assert session.scalars(select(PasskeyRow)).all() == []


def test_a_copied_passkey_whose_count_stands_still_is_refused(
    chromium: Chromium, doors: Doors, portal_url: str, root: Path
) -> None:  # fmt: skip
    with chromium.visit(root) as visit:
        page = visit.page
        authenticator(visit)
        log_in(page, doors, portal_url, *HANAKO)
        add_passkey(visit, portal_url, "x")
        page.get_by_role("link", name="保管したので、次へ進む").wait_for()
        with doors.database.transaction() as session:
            session.scalars(select(PasskeyRow)).one().sign_count = 1000  # the other copy was used that often
        page.goto(f"{portal_url}/factors")
        page.get_by_role("button", name="ログアウト").click()
        page.get_by_role("button", name="パスキーを使う").click()
        page.get_by_text("このパスキーは確認できませんでした").wait_for()
        inspect(visit, "portal-passkey-log-in-refused")


@pytest.mark.parametrize("kind", ["script", "no-script", "passkey"])
def test_who_has_no_factor_gets_one_before_the_codes_and_comes_back(
    chromium: Chromium, doors: Doors, portal_url: str, root: Path, kind: str
) -> None:
    number, (first, _) = doors.prepared()
    with doors.database.transaction() as session:
        session.execute(delete(TotpRow).where(TotpRow.account_id == doors.person(*HANAKO).account_id))
    with chromium.visit(root, viewport=NARROW, javascript=kind != "no-script") as visit:
        page = visit.page
        if kind == "passkey":
            authenticator(visit)
        page.goto(portal_url)
        type_password(page, *HANAKO)
        page.goto(f"{portal_url}/applications/{number}/id-notice")
        doors.clock.advance(timedelta(minutes=15))
        page.get_by_role("button", name=f"表示する {first}").click()
        look = inspect if kind != "no-script" else Visit.screenshot  # which is done by a script
        look(visit, f"portal-factor-enrol-{kind}")
        if kind == "passkey":
            page.locator("#passkey_password").fill(PASSWORD)
            page.get_by_role("button", name="パスキーを登録する").click()
        else:
            secret = page.locator("#secret").inner_text()
            page.get_by_label("確認コード").fill(shown_by(doors, secret))
            page.locator("#password").fill(PASSWORD)
            page.get_by_role("button", name="認証アプリを登録する").click()
        go_on = page.get_by_role("button", name="保管したので、元の操作を続ける")
        go_on.wait_for()  # a passkey's form is sent by a script, later than the click
        look(visit, f"portal-recovery-codes-in-between-{kind}")
        go_on.click()
        page.get_by_text(f"{first}").first.wait_for()
        page.wait_for_load_state()
        assert re.search(rf"/applications/{number}/id-notice\?view=[\w-]+#codes$", page.url)
        assert page.locator("td.code").count() + page.locator("[data-copy]").count() > 0


def test_the_pages_in_english(chromium: Chromium, doors: Doors, portal_url: str, root: Path) -> None:
    with chromium.visit(root, viewport=NARROW) as visit:
        page = visit.page
        page.goto(portal_url)
        page.get_by_role("button", name="English").click()
        page.get_by_role("button", name="日本語").wait_for()
        page.get_by_label("Office code").fill("NAC001")
        page.get_by_label("User ID").fill("hanako")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Log in").click()
        inspect(visit, "portal-second-step-english")
        page.get_by_label("Code").fill(doors.code(*HANAKO))
        page.get_by_role("button", name="Log in").click()
        for name, path in {"factors": "/factors", "sessions": "/sessions", "log-ins": "/log-ins"}.items():
            page.goto(portal_url + path)
            inspect(visit, f"portal-{name}-english")


def shown_by(doors: Doors, secret: str) -> str:
    return pyotp.TOTP(secret.replace(" ", "")).at(doors.clock.now())
