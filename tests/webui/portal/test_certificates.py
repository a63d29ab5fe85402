"""Certificates at the portal: list and chart, one with files and proofs, revocation, files of ends, what nobody asked for."""

import csv
import io
import re
from datetime import timedelta

import icalendar
import pytest
from cryptography import x509
from sqlalchemy import select

from ca.certificates import CertificateState
from ca.revocation import Reason
from enrollment import reissue
from enrollment.credentials import CertificateView, of_terminals
from enrollment.ending import Endings
from enrollment.interfaces import Interface
from enrollment.reissue_records import ReissueReason
from kernel import audit
from kernel.audit import CheckpointSigner, Receipt
from kernel.clock import tokyo_date
from tests.support.house import PREPARER, SOURCE, House, new_request
from tests.webui.conftest import LOG_KEY, SATO, Doors
from tests.webui.visitors import Visitor

# What PostgreSQL does is watched in the core's own tests.
pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

SIGNER = CheckpointSigner("example.jp/log", LOG_KEY.public_key().public_bytes_raw(), LOG_KEY.sign)


@pytest.fixture
def issued(issuing_doors: Doors, house: House) -> str:
    """Return a terminal with a certificate."""
    _, (name, _) = issuing_doors.prepared()
    house.redemption.redeem(house.codes_of(name), new_request().pem, SOURCE, Interface.PAGE)
    return name


def current(doors: Doors, name: str) -> CertificateView:
    with doors.database.snapshot() as session:
        return of_terminals(session, [name])[name]


def address(doors: Doors, name: str) -> str:
    return f"/certificates/{name}/{current(doors, name).serial}"


def proven(visitor: Visitor, doors: Doors, path: str, form: dict[str, str]) -> str:
    """Send a form that asks for a second factor, show one, and return where it led."""
    question = visitor.post(path, form)
    assert question.status_code == 200
    assert "確認コード" in question.text
    return visitor.post(path, {**form, "factor_code": doors.code("hanako", "NAC001")}).location


def test_the_list_the_chart_and_the_choice(issuing_doors: Doors, issued: str) -> None:
    doors, visitor = issuing_doors, issuing_doors.customer()
    page = visitor.get("/certificates/").text
    assert page.count("<rect") == 13
    counts, months = re.findall(r'<div class="scale" aria-hidden="true">(.*?)</div>', page)
    assert counts.count("<span>1</span>") == 1
    assert months == "".join(f"<span>{(10 + at) % 12 + 1}</span>" for at in range(13))
    assert '<a href="/certificates/">証明書</a>' in visitor.get("/").text
    one = address(doors, issued)
    assert f'href="{one}"' in page
    assert f'href="{one}"' in visitor.get(f"/certificates/?q={issued.lower()}&choice=current").text
    assert "条件に合う証明書はありません。" in visitor.get("/certificates/?choice=revoked").text
    assert f'href="{one}"' in visitor.get("/certificates/?choice=nonsense&page=999999999999999999").text
    doors.clock.instant = current(doors, issued).not_after + timedelta(days=1)
    page = doors.customer().get("/certificates/?choice=expired").text
    assert 'class="high"' in page
    assert "期限切れ" in page


def test_one_certificate_with_its_files(issuing_doors: Doors, issued: str) -> None:
    visitor, one = issuing_doors.customer(), address(issuing_doors, issued)
    page = visitor.get(one).text
    pem, der = visitor.get(f"{one}.pem"), visitor.get(f"{one}.cer")
    certificate = x509.load_der_x509_certificate(der.data)
    assert x509.load_pem_x509_certificate(pem.data) == certificate
    chain = x509.load_pem_x509_certificates(visitor.get(f"{one}/chain.pem").data)
    assert chain[0] == certificate
    certificate.verify_directly_issued_by(chain[1])
    assert f"filename={issued}-" in pem.headers["Content-Disposition"]
    for told in ("ブラウザーの取得ページ", "<dd>hanako</dd>", "申込の内容を見る", "再発行を申し込む", "証明書の失効へ進む"):
        assert told in page


def test_the_log_proves_it(issuing_doors: Doors, issued: str) -> None:
    doors, one = issuing_doors, address(issuing_doors, issued)
    visitor = doors.customer()
    early = visitor.get(f"{one}/issue.json")
    assert (early.status_code, early.location) == (303, one)
    assert "1分ほど待ってから" in visitor.get(one).text
    Endings(doors.database, doors.clock).revoke(issued, Reason.KEY_COMPROMISE, SATO)
    audit.seal(doors.database, SIGNER, now=doors.clock.now())
    for deed in ("issue", "revoke"):
        receipt = Receipt.read(visitor.get(f"{one}/{deed}.json").text)
        receipt.require_proven(LOG_KEY.public_key().verify, SIGNER.verifier)
        assert receipt.content.action == f"certificate.{deed}"


def test_other_offices_see_nothing(issuing_doors: Doors, issued: str) -> None:
    one = address(issuing_doors, issued)
    stranger = issuing_doors.customer("saburo", office_code="NAC002")
    paths = [one, f"{one}.pem", f"{one}.cer", f"{one}/chain.pem", f"{one}/issue.json", f"{one}/revoke.json"]
    for path in (*paths, f"/terminals/{issued}/revocation"):
        assert stranger.get(path).status_code == 404, path
    stranger.get("/")
    assert stranger.post(f"/terminals/{issued}/revocation", {"reason": "keyCompromise", "step": "do"}).status_code == 404
    for path in ("/certificates/", "/certificates/calendar.ics", "/certificates/list.csv", "/certificates/unasked"):
        assert issued not in stranger.get(path).text, path


def test_a_certificate_is_revoked_after_reason_confirmation_and_factor(issuing_doors: Doors, issued: str) -> None:
    doors, one, path = issuing_doors, address(issuing_doors, issued), f"/terminals/{issued}/revocation"
    visitor = doors.customer()
    page = visitor.get(path).text
    assert "失効は元に戻せません。" in page
    serial = current(doors, issued).serial
    assert visitor.post(path, {"serial": serial}).status_code == 422
    assert visitor.post(path, {"serial": serial, "reason": "privilegeWithdrawn", "step": "do"}).status_code == 422
    form = {"serial": serial, "reason": "keyCompromise"}
    asked = visitor.post(path, form)
    assert (asked.status_code, asked.location) == (303, f"{path}/confirm?reason=keyCompromise&serial={serial}")
    confirmation = visitor.get(asked.location).text
    assert "まだ失効していません。" in confirmation
    for other in (f"reason=superseded&serial={serial}", "reason=keyCompromise&serial=1"):
        assert visitor.get(f"{path}/confirm?{other}").location == path
    assert "今後どの証明書にも使えません" in confirmation
    assert f'href="{path}?reason=keyCompromise"' in confirmation
    assert 'value="keyCompromise" checked' in visitor.get(f"{path}?reason=keyCompromise").text
    doors.clock.advance(timedelta(minutes=11))
    assert current(doors, issued).state is CertificateState.VALID
    assert proven(visitor, doors, path, {**form, "step": "do"}) == one
    assert "証明書を失効させました。" in visitor.get(one).text
    ended = current(doors, issued)
    assert (ended.state, ended.reason) == (CertificateState.REVOKED, "keyCompromise")
    with doors.database.snapshot() as session:
        newest = audit.history(session, f"terminal:{issued}")[0]
        blocked = session.scalars(select(audit.AuditEntry.actor).where(audit.AuditEntry.action == "key.block")).all()
    assert (newest.action, newest.actor) == ("certificate.revoke", "customer:NAC001/hanako")
    assert blocked == ["customer:NAC001/hanako"]
    again = visitor.post(path, {**form, "step": "do"})
    assert (again.status_code, again.location) == (303, one)
    assert "失効できる証明書がありません。" in visitor.get(one).text
    assert visitor.get(path).location == one


def test_another_certificate_than_the_one_seen_stays(issuing_doors: Doors, issued: str) -> None:
    visitor, path = issuing_doors.customer(), f"/terminals/{issued}/revocation"
    visitor.get(path)
    answer = visitor.post(path, {"serial": "1", "reason": "unspecified", "step": "do"})
    assert answer.location == address(issuing_doors, issued)
    assert current(issuing_doors, issued).state is CertificateState.VALID


def test_a_terminal_without_certificate_leads_to_its_diagnosis(issuing_doors: Doors) -> None:
    assert issuing_doors.customer().get("/terminals/99999W/revocation").location == "/terminals/99999W/doctor"


def test_without_the_right_one_reads_only(issuing_doors: Doors, issued: str) -> None:
    jiro, one = issuing_doors.customer("jiro"), address(issuing_doors, issued)
    page = jiro.get(one).text
    assert "失効へ進む" not in page
    assert "再発行を申し込む" not in page
    assert jiro.get(f"/terminals/{issued}/revocation").status_code == 403
    assert jiro.post(f"/terminals/{issued}/revocation").status_code == 403


def test_the_calendar_has_every_last_day(issuing_doors: Doors, issued: str) -> None:
    answer = issuing_doors.customer().get("/certificates/calendar.ics")
    assert answer.mimetype == "text/calendar"
    [event] = icalendar.Calendar.from_ical(answer.data).walk("VEVENT")
    seen = current(issuing_doors, issued)
    assert event.decoded("dtstart") == tokyo_date(seen.not_after)
    assert str(event["uid"]) == f"{seen.serial}@localhost"
    assert issued in str(event["summary"])
    assert [str(alarm["action"]) for alarm in event.walk("VALARM")] == ["DISPLAY"]


def test_the_list_opens_in_spreadsheets(issuing_doors: Doors, issued: str) -> None:
    answer = issuing_doors.customer().get("/certificates/list.csv")
    assert answer.data.startswith(b"\xef\xbb\xbf")
    heads, row = csv.reader(io.StringIO(answer.data.decode("utf-8-sig")))
    assert (heads[0], row[0]) == ("論理端末名", issued)
    assert row[5] == current(issuing_doors, issued).serial
    assert re.fullmatch("[0-9a-f]{64}", row[6])


def test_what_nobody_asked_for_is_named_with_its_deed(issuing_doors: Doors, house: House, issued: str) -> None:
    doors, visitor = issuing_doors, issuing_doors.customer()
    assert "1件もありません" in visitor.get("/certificates/unasked").text
    asked = reissue.Reissues(doors.database, doors.clock).request(issued, ReissueReason.MISTAKE, SATO)
    doors.clock.advance(timedelta(days=5))
    house.reissue_preparation.prepare(asked.id, PREPARER)
    house.redemption.redeem(house.codes_of(issued), new_request().pem, SOURCE)
    page = doors.customer().get("/certificates/unasked").text
    assert page.count(f'<span class="code">{issued}</span>') == 1
    assert "再発行による取得" in page
    assert ">センター<" in page
    assert "sato" not in page


def test_the_pages_are_told_in_english(issuing_doors: Doors, issued: str) -> None:
    visitor, one = issuing_doors.customer(), address(issuing_doors, issued)
    visitor.get("/")
    visitor.post("/language", {"language": "en"})
    form = {"serial": current(issuing_doors, issued).serial, "reason": "keyCompromise"}
    path = f"/terminals/{issued}/revocation"
    pages = [visitor.get(one).text for one in ("/certificates/", "/certificates/unasked", one, path, "/certificates/list.csv")]
    pages += [visitor.get(visitor.post(path, form).location).text, visitor.get("/certificates/calendar.ics").data.decode()]
    told = "".join(pages)
    for text in ("日本語", "ナックス商事株式会社", "東京営業所", "通関 花子"):
        told = told.replace(text, "")
    assert re.findall(r"[\u3040-\u30ff\u4e00-\u9fff]+", told) == []
