"""Terminals as staff read them: lists, a terminal's page, its certificates, the codes that wait."""

from cryptography import x509

from enrollment import staff_views
from tests.support.house import House
from tests.webui.center.conftest import Day
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor


def test_terminals_are_found_by_name_office_and_state(issuing_doors: Doors, day: Day) -> None:
    sato = issuing_doors.staff("sato")
    page = sato.get("/terminals/").text
    assert all(name in page for name in ("99999W", day.issued, day.suspended))
    page = sato.get("/terminals/?q=99999w").text
    assert "99999W" in page
    assert day.issued not in page
    assert day.issued in sato.get("/terminals/?q=NAC001&state=in_service").text
    page = sato.get("/terminals/?state=suspended").text
    assert day.suspended in page
    assert day.issued not in page
    assert "条件に合う端末はありません。" in sato.get("/terminals/?q=NAC002").text
    assert sato.get("/terminals/?state=nonsense").status_code == 200


def test_a_terminals_page_shows_its_certificate_codes_and_history(issuing_doors: Doors, day: Day) -> None:
    ito = issuing_doors.staff("ito")
    with issuing_doors.database.snapshot() as session:
        [certificate] = staff_views.certificates_of(session, day.issued)
    page = ito.get(f"/terminals/{day.issued}").text
    for text in (certificate.serial, "issuing-1", "2026/12/15 00:00", "開始前", "取得済み", "職員 佐藤 (kato)", day.prepared):
        assert text in page, text
    assert "証明書の発行" in page
    assert "証明書はまだ取得されていません。" in ito.get(f"/terminals/{day.waiting}").text
    assert "コードは準備されていません。" in ito.get("/terminals/99999W").text
    assert ito.get("/terminals/00000X").status_code == 404


def test_the_state_of_codes_is_told_and_no_code_ever(issuing_doors: Doors, house: House, day: Day) -> None:
    kato = issuing_doors.staff("kato")
    told = {
        day.waiting: ("未取得", "1回"),
        day.frozen: ("凍結中",),
        day.locked: ("誤入力でロック中", "2026/11/27 11:00まで"),
    }
    for name, texts in told.items():
        page = kato.get(f"/terminals/{name}").text
        codes = house.codes_of(name)
        assert all(text in page for text in texts), name
        assert not {codes.access_key, codes.auth_code_2, codes.auth_code_3} & set(
            page.replace("<", " ").replace(">", " ").split()
        )
        assert codes.access_key not in page


def test_a_certificate_is_downloaded_as_pem_and_der(issuing_doors: Doors, day: Day) -> None:
    sato = issuing_doors.staff("sato")
    with issuing_doors.database.snapshot() as session:
        [certificate] = staff_views.certificates_of(session, day.issued)
        der = staff_views.certificate_file(session, day.issued, certificate.issuer, certificate.serial)
    base = f"/terminals/{day.issued}/certificates/{certificate.issuer}/{certificate.serial}"
    pem = sato.get(f"{base}.pem")
    assert pem.headers["Content-Type"] == "application/pem-certificate-chain"
    assert x509.load_pem_x509_certificate(pem.data).serial_number == int(certificate.serial, 16)
    binary = sato.get(f"{base}.cer")
    assert binary.data == der
    assert binary.headers["Content-Type"] == "application/pkix-cert"
    assert binary.headers["Content-Disposition"] == f"attachment; filename={day.issued}-{certificate.serial}.cer"
    for wrong in (f"{base}.p12", f"{base}0.pem", base.replace(day.issued, day.revoked) + ".pem"):
        assert sato.get(wrong).status_code == 404


def test_codes_that_wait_for_staff_are_listed(issuing_doors: Doors, day: Day) -> None:
    kato = issuing_doors.staff("kato")
    page = kato.get("/codes").text
    locked, frozen = page.split("凍結されたコード", 1)
    assert day.locked in locked
    assert day.frozen in frozen
    assert day.suspended in frozen
    assert day.waiting not in page


def test_without_codes_that_wait_the_page_says_so(kato: Visitor) -> None:
    page = kato.get("/codes").text
    assert "ロックされたコードはありません。" in page
    assert "凍結されたコードはありません。" in page
