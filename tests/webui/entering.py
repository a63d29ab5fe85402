"""Logging in at a door in a real browser."""

from playwright.sync_api import Page

from tests.webui.conftest import Doors
from tests.webui.visitors import PASSWORD


def type_password(page: Page, user: str, office_code: str = "") -> None:
    """Fill in and send the log-in form that the page shows."""
    if office_code:
        page.get_by_label("事業所コード").fill(office_code)
    page.get_by_label("ユーザーID").fill(user)
    page.get_by_label("パスワード").fill(PASSWORD)
    page.get_by_role("button", name="ログイン").click()


def type_code(page: Page, doors: Doors, user: str, office_code: str = "") -> None:
    """Fill in and send the second step."""
    page.get_by_label("確認コード").fill(doors.code(user, office_code))
    page.get_by_role("button", name="ログイン").click()


def log_in(page: Page, doors: Doors, url: str, user: str, office_code: str = "") -> None:
    """Log in from the door's address to its first page."""
    doors.code(user, office_code)  # which gives an app to who has none
    page.goto(url)
    type_password(page, user, office_code)
    type_code(page, doors, user, office_code)
    page.wait_for_url(f"{url}/")
