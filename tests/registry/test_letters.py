from dataclasses import replace
from datetime import date

import pytest

from registry.letters import Asked, Letter, Letters, Receipt
from registry.offices import Office
from tests.registry.conftest import APPLICANT, COMPANY, OFFICE

LETTERS = Letters("https://portal.example.jp/")
RECEIPT = Receipt("130007A", date(2013, 11, 20))
ASKED = Asked(("識別番号",), ("ID numbers",), date(2013, 12, 5))
HERE = Office(
    code=OFFICE.code,
    name=OFFICE.name,
    postal_code=OFFICE.postal_code,
    address=OFFICE.address,
    phone=OFFICE.phone,
    fax=OFFICE.fax,
    customs_office=OFFICE.customs_office,
    billing_code=OFFICE.billing_code,
    administrator=OFFICE.administrator,
    company=COMPANY,
)
ALL = [
    LETTERS.received(APPLICANT, HERE, RECEIPT, ASKED),
    LETTERS.reviewed(APPLICANT, HERE, RECEIPT, start_date=date(2013, 12, 10), settings_deadline=None),
    LETTERS.reviewed(APPLICANT, HERE, RECEIPT, start_date=date(2013, 12, 10), settings_deadline=date(2013, 12, 4)),
    LETTERS.queried(APPLICANT, HERE, RECEIPT, "台数は？"),
    LETTERS.rejected(APPLICANT, HERE, RECEIPT, "理由"),
    LETTERS.cancelled(APPLICANT, HERE, RECEIPT, "理由"),
    LETTERS.voided(APPLICANT, HERE, RECEIPT, "理由"),
    LETTERS.withdrawn(APPLICANT, HERE, RECEIPT),
]


@pytest.mark.parametrize("letter", ALL, ids=lambda letter: letter.subject)
def test_every_mail_names_person_number_day_portal_and_help_desk_in_both_languages(letter: Letter) -> None:
    assert letter.subject.startswith("【NSS】")
    assert letter.body.startswith("日本通関商事株式会社　東京第一事業所　第一通関部　通関課\n通関　花子　様\n")
    japanese, english = letter.body.split("-" * 64)
    assert "申込受付番号：130007A" in japanese
    assert "申込受付年月日：2013/11/20" in japanese
    assert "Receipt number: 130007A" in english
    assert "Received on: 2013-11-20" in english
    for text in (japanese, english):
        assert "https://portal.example.jp/" in text
        assert "0120-000-000" in text
    assert "{" not in letter.body


def test_the_deadline_of_system_settings_is_told_only_when_there_is_one() -> None:
    without, with_deadline = ALL[1], ALL[2]
    assert "システム設定が必要" not in without.body
    assert "2013/12/04" in with_deadline.body
    assert "2013-12-04" in with_deadline.body


def test_a_person_without_department_is_addressed_without_a_gap() -> None:
    letter = LETTERS.received(replace(APPLICANT, department=""), HERE, RECEIPT, ASKED)
    assert letter.body.startswith("日本通関商事株式会社　東京第一事業所\n")
