"""The people of the journey: what a customer, a member of staff and a PC do, in the words of their screens."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from playwright.sync_api import Locator, Page

from tests.support.browser import Visit
from tests.support.demo import Demo, Outcome

Inputs = dict[str, str]


@dataclass(frozen=True)
class Person:
    """Somebody at a browser."""

    demo: Demo
    visit: Visit

    @property
    def page(self) -> Page:
        """The page that the person looks at."""
        return self.visit.page

    @property
    def text(self) -> str:
        """What stands in the main part of the page."""
        self.page.wait_for_load_state()
        return self.page.inner_text("main")

    def button(self, name: str) -> Locator:
        """Return a button by what is written on it."""
        return self.page.get_by_role("button", name=name)

    def link(self, name: str) -> Locator:
        """Return the first link of that name."""
        return self.page.get_by_role("main").get_by_role("link", name=name).first

    def prove(self, person: Mapping[str, str]) -> None:
        """Type the second step: what the person's authenticator app shows, or the next code where that one was used."""
        self.page.get_by_label("確認コード").fill(self.demo.code(person))
        self.button("ログイン").click()

    def fill(self, **fields: str) -> None:
        """Type into fields by their labels, underscores standing for nothing."""
        for label, value in fields.items():
            self.page.get_by_label(label).fill(value)


class Customer(Person):
    """A user of an office at the portal."""

    def log_in(self) -> None:
        """Log in as the demo's customer who has an authenticator app."""
        person = next(person for person in self.demo.facts["customers"] if person["totp_secret"])
        self.page.goto(self.demo.facts["portal"])
        self.fill(事業所コード=person["office_code"], ユーザーID=person["user"], パスワード=person["password"])
        self.button("ログイン").click()
        self.prove(person)

    def begin_change(self) -> None:
        """From the menu to the guidance page, past the contract's netNACCS tab."""
        self.link("契約内容の確認").click()
        self.link("netNACCS").click()
        self.visit.screenshot("journey-portal-03-contract")
        self.link("契約情報を変更する").click()
        self.visit.screenshot("journey-portal-04-guidance")
        self.button("申込内容選択へ進む").click()

    def choose_terminals(self, wished: date) -> None:
        """Tick the terminals and say when; a near date is warned of and goes on."""
        self.page.get_by_label("netNACCS端末の登録情報").check()
        self.fill(利用開始希望日=wished.strftime("%Y%m%d"))
        self.visit.screenshot("journey-portal-05-items")
        self.button("申込担当者の入力へ進む").click()
        self.visit.screenshot("journey-portal-06-start-date")
        self.link("この日付で進む").click()

    def name_applicant(self, mail: str) -> None:
        """Type the applicant, the kana wrongly at first: the message stands beside the field and nothing is lost."""
        self.page.get_by_label("姓(フリガナ)", exact=False).fill("つうかん")
        self.page.locator("#mail").fill(mail)
        self.page.locator("#mail_again").fill(mail)
        self.page.locator("#phone").fill("03-1234-5678")
        self.button("次へ進む").click()
        self.visit.screenshot("journey-portal-07-applicant-refused")

    def submit(self, terminals: int, remarks: str) -> str:
        """Say how many terminals, read the confirmation, register, and return the receipt number."""
        self.page.get_by_role("group", name="netNACCS").get_by_label("海上").fill(str(terminals))
        self.visit.screenshot("journey-portal-08-terminals")
        self.button("次へ進む").click()
        self.page.get_by_label("備考").fill(remarks)
        self.visit.screenshot("journey-portal-09-confirm")
        self.button("申込内容を登録する").click()
        self.visit.screenshot("journey-portal-10-done")
        found = re.search(r"[0-9]{6}[A-Z]", self.text)
        assert found
        return found[0]

    def read_codes(self, terminal: str) -> Inputs:
        """Show one terminal's codes on the ID notice that is open, and copy them."""
        row = self.page.locator("table", has_text=terminal).locator("tbody tr", has_text=terminal).first
        cells = [cell.strip() for cell in row.locator("th, td").all_inner_texts()]
        names = ("access_key", "auth_code_1", "auth_code_2", "auth_code_3", "office_code")
        return dict(zip(names, cells[-5:], strict=True))


class Staff(Person):
    """A member of the center's staff."""

    def log_in(self, role: str) -> None:
        """Log in as the demo's member of staff with a role."""
        person = next(person for person in self.demo.facts["staff"] if person["role"] == role)
        self.page.goto(self.demo.facts["center"])
        self.fill(ユーザーID=person["user"], パスワード=person["password"])
        self.button("ログイン").click()
        self.prove(person)

    def open_application(self, receipt_number: str, tab: str) -> None:
        """Find an application in the queue and open it."""
        self.link(tab).click()
        self.visit.screenshot(f"journey-center-02-queue-{receipt_number}")
        self.link(receipt_number).click()

    def approve(self, start: date) -> None:
        """Approve the open application with a start date."""
        self.visit.screenshot("journey-center-03-application")
        self.link("承認へ進む").click()
        self.fill(利用開始日=start.isoformat())
        self.visit.screenshot("journey-center-04-approval")
        self.button("確認へ進む").click()
        self.visit.screenshot("journey-center-05-approval-confirm")
        self.button("承認する").click()

    def prepare(self) -> None:
        """Prepare the codes of the open application."""
        self.link("コードの準備へ進む").click()
        self.visit.screenshot("journey-center-06-codes")
        self.button("コードを準備する").click()
        self.visit.screenshot("journey-center-07-prepared")

    def revoke(self, terminal: str, reason: str) -> None:
        """Revoke a terminal's certificate, with a reason and the confirmation that it asks for."""
        self.page.goto(f"{self.demo.facts['center']}/terminals/")
        self.visit.screenshot("journey-center-08-terminals")
        self.link(terminal).click()
        self.visit.screenshot("journey-center-09-terminal")
        self.link("証明書の失効へ進む").click()
        self.page.get_by_label("失効の理由").select_option(label=reason)
        self.visit.screenshot("journey-center-10-revocation")
        self.button("確認へ進む").click()
        self.visit.screenshot("journey-center-11-revocation-confirm")
        self.button("失効させる").click()
        self.visit.screenshot("journey-center-12-revoked")


@dataclass(frozen=True)
class Pc:
    """A customer's PC with a folder of its own and the terminal's client."""

    demo: Demo
    folder: Path

    def retrieve(self, inputs: Inputs) -> Outcome:
        """Retrieve with `tegata terminal retrieve`, the codes on standard input."""
        retrieval, root = self.demo.facts["retrieval"], self.demo.root
        command = ("terminal", "retrieve", "--server", retrieval, "--ca", root, "--out", self.folder, "--inputs", "-")
        return self.demo.run(*command, stdin=json.dumps(inputs), check=False)

    def log_on(self, access_key: str) -> tuple[bool, str | None]:
        """Ask the terminals door; return whether it permits, and the domain's code when not."""
        terminals, root = self.demo.facts["terminals"], self.demo.root
        command = ("terminal", "logon", "--server", terminals, "--ca", root, "--out", self.folder, "--access-key-file", "-")
        answer = json.loads(self.demo.run(*command, "--json", stdin=access_key, check=False).stdout)
        return answer["permitted"], answer["code"]

    @property
    def certificate(self) -> Path:
        """The terminal's certificate, as PEM."""
        return self.folder / "certificate.pem"
