"""Many certificates at once in the portal: files without codes, an upload, one confirmation, a report."""

import io
import re
import socket
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from enrollment.batches.redeeming import BatchRedemption
from enrollment.windows_scripts import WindowsScripts
from kernel.clock import tokyo_date
from registry.states import DeviceClass, SystemClass
from registry.terminals import Takeover, register_existing
from tests.enrollment.test_batches import File, csr, zipped
from tests.support.browser import DESKTOP, NARROW, Chromium
from tests.support.clock import SettableClock
from tests.support.house import APPROVER, PREPARER, House
from tests.support.localhost_tls import localhost_credentials
from tests.support.open_doors import listener_url, serving
from tests.webui.conftest import Doors
from tests.webui.entering import log_in
from tests.webui.inspection import inspect
from tests.webui.visitors import Visitor
from webui.csrf import FIELD

ONE_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
JAPANESE = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff]")


@pytest.fixture
def worker(house: House, issuing_doors: Doors) -> BatchRedemption:
    """Return what redeems; the portal's scripts name the house's root."""
    parts = issuing_doors.portal.extensions["webui-portal"]
    scripts = WindowsScripts("https://localhost:8444", house.root.pem.encode())
    issuing_doors.portal.extensions["webui-portal"] = replace(parts, scripts=scripts)
    return BatchRedemption(house.redemption, house.opener)


def send(visitor: Visitor, *files: File) -> str:
    """Upload files and return where it leads."""
    visitor.get("/batches")
    uploaded = [(io.BytesIO(content), name) for name, content in files]
    form: dict[str, object] = {FIELD: visitor.token, "requests": uploaded}
    response = visitor.post_bare("/batches/upload", form)  # type: ignore[arg-type]
    return response.location or response.text


def of(names: list[str]) -> list[File]:
    return [(f"{name}.csr", csr(name)) for name in names]


def prepared(house: House, count: int) -> list[str]:
    names = [f"{10_000 + number}W" for number in range(count)]
    for name in names:
        takeover = Takeover(name, "NAC001", SystemClass.SEA, DeviceClass.WEB, tokyo_date(house.clock.now()))
        with house.database.transaction() as session:
            register_existing(session, takeover, now=house.clock.now())
        house.preparation.prepare_existing(name, APPROVER, PREPARER)
    return names


@ONE_DATABASE
def test_the_files_of_chosen_terminals_hold_no_code(house: House, issuing_doors: Doors, worker: BatchRedemption) -> None:
    del worker
    codes = {name: house.codes_of(name) for name in prepared(house, 3)}
    hanako = issuing_doors.customer()
    assert all(name in hanako.get("/batches").text for name in codes)
    first, second, third = codes
    answer = hanako.post("/batches/scripts", {"terminal": [first, second, "11111A"]})
    assert answer.mimetype == "application/zip"
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert {name.rpartition(".")[0] for name in archive.namelist()} == {first, second, "README"}
        whole = b"".join(archive.read(name) for name in archive.namelist()).decode("utf-8", "replace")
    assert not any(code.access_key in whole or code.auth_code_2 in whole for code in codes.values())
    assert third not in whole
    assert "端末を1台以上選択してください" in hanako.post("/batches/scripts", {"terminal": ["11111A"]}).text


def test_an_upload_is_checked_confirmed_and_reported(house: House, issuing_doors: Doors, worker: BatchRedemption) -> None:
    names = prepared(house, 2)
    hanako = issuing_doors.customer()
    batch = send(hanako, ("all.zip", zipped([*of(names), ("x.csr", csr())])))
    page = hanako.get(batch).text
    assert "次の2台の証明書を取得します" in page
    assert "どの端末のCSRかわかりません" in page
    assert worker.work_off(house.clock.now()) == 0
    assert hanako.post(f"{batch}/confirm").status_code == 303
    assert "順に取得しています" in hanako.get(batch).text
    assert worker.work_off(house.clock.now()) == 2
    report = hanako.get(batch).text
    assert "取得済み2、処理中0、取得できません1(全3件)" in report
    answer = hanako.get(f"{batch}/certificates.zip")
    with zipfile.ZipFile(io.BytesIO(answer.data)) as archive:
        assert {name.partition(".")[0].removesuffix("-chain") for name in archive.namelist()} == set(names)
    assert hanako.post(f"{batch}/confirm").status_code == 409


@ONE_DATABASE
def test_who_logged_in_a_while_ago_shows_the_second_factor_once_more(
    house: House, clock: SettableClock, issuing_doors: Doors, worker: BatchRedemption
) -> None:
    hanako = issuing_doors.customer()
    batch = send(hanako, *of(prepared(house, 1)))
    clock.advance(timedelta(minutes=15))
    hanako.get(batch)
    assert "確認コード" in hanako.post(f"{batch}/confirm").text
    wrong = hanako.post(f"{batch}/confirm", {"factor_code": "000000"})
    assert (wrong.status_code, "確認コードが違います" in wrong.text) == (422, True)
    assert worker.work_off(clock.now()) == 0
    code = issuing_doors.code("hanako", "NAC001")
    assert hanako.post(f"{batch}/confirm", {"factor_code": code}).status_code == 303
    assert worker.work_off(clock.now()) == 1


@ONE_DATABASE
def test_a_batch_is_cancelled(house: House, issuing_doors: Doors, worker: BatchRedemption) -> None:
    hanako = issuing_doors.customer()
    batch = send(hanako, *of(prepared(house, 1)))
    hanako.get(batch)
    hanako.post(f"{batch}/cancel")
    assert "取りやめ" in hanako.get(batch).text
    assert hanako.post(f"{batch}/confirm").status_code == 409
    assert worker.work_off(house.clock.now()) == 0


@ONE_DATABASE
def test_others_see_and_do_nothing(house: House, issuing_doors: Doors, worker: BatchRedemption) -> None:
    del worker
    batch = send(issuing_doors.customer(), *of(prepared(house, 1)))
    jiro, saburo = issuing_doors.customer("jiro"), issuing_doors.customer("saburo", office_code="NAC002")
    for path in ("/batches", batch, f"{batch}/certificates.zip"):
        assert jiro.get(path).status_code == 403
    saburo.get("/batches")
    for path in (batch, f"{batch}/certificates.zip"):
        assert saburo.get(path).status_code == 404
    for deed in ("confirm", "cancel"):
        jiro.get("/")
        assert jiro.post(f"{batch}/{deed}").status_code == 403
        saburo.get("/batches")
        assert saburo.post(f"{batch}/{deed}").status_code == 404


@ONE_DATABASE
def test_what_can_not_be_read_is_said_on_the_same_page(issuing_doors: Doors, worker: BatchRedemption) -> None:
    del worker
    hanako = issuing_doors.customer()
    assert "CSRがありません" in send(hanako)
    assert "ZIPファイルを読み取れません" in send(hanako, ("x.zip", b"PK\x03\x04broken"))
    assert "200件まで" in send(hanako, ("x.zip", zipped([(f"{number:05}W.csr", b"x") for number in range(201)])))


@ONE_DATABASE
def test_its_pages_are_told_in_english(house: House, issuing_doors: Doors, worker: BatchRedemption) -> None:
    hanako = issuing_doors.customer()
    hanako.get("/")
    hanako.post("/language", {"language": "en"})
    batch = send(hanako, *of(prepared(house, 1)), ("11111W.csr", csr()), ("x.csr", csr()), ("22222W.csr", b"x"))
    for step in (lambda: None, lambda: hanako.post(f"{batch}/confirm"), lambda: worker.work_off(house.clock.now())):
        step()
        for path in ("/batches", batch):
            page = hanako.get(path).text
            for own in ("日本語", "ナックス商事株式会社", "東京営業所", "通関 花子"):
                page = page.replace(own, "")
            assert JAPANESE.findall(page) == [], path


@pytest.fixture
def portal_url(issuing_doors: Doors, tmp_path: Path) -> Iterator[str]:
    """Serve the portal over TLS and return its address."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    credentials, _ = localhost_credentials(tmp_path)
    with serving(issuing_doors.portal, listener, credentials):
        yield listener_url(listener)


@pytest.fixture
def site(issuing_doors: Doors, portal_url: str) -> tuple[Doors, str]:
    """Return the doors, and where the portal is served."""
    return issuing_doors, portal_url


@ONE_DATABASE
@pytest.mark.parametrize("size", ["wide", "narrow"])
def test_every_page_is_accessible_and_fits(
    chromium: Chromium, site: tuple[Doors, str], house: House, worker: BatchRedemption, tmp_path: Path, size: str
) -> None:
    issuing_doors, portal_url = site
    names = prepared(house, 3)
    folder = tmp_path / "requests"
    folder.mkdir()
    for name, content in [*of(names), ("unknown.csr", csr()), ("22222W.csr", b"x")]:
        (folder / name).write_bytes(content)
    with chromium.visit(tmp_path / "localhost-root.pem", viewport=DESKTOP if size == "wide" else NARROW) as visit:
        page = visit.page
        log_in(page, issuing_doors, portal_url, "hanako", "NAC001")
        page.get_by_role("link", name="一括取得").click()
        inspect(visit, f"portal-batches-{size}")
        page.get_by_role("button", name="送信して確認へ進む").click()
        inspect(visit, f"portal-batches-faulty-{size}")
        page.get_by_label("CSRのファイル").set_input_files(sorted(folder.iterdir()))
        page.get_by_role("button", name="送信して確認へ進む").click()
        house.clock.advance(timedelta(minutes=15))  # type: ignore[attr-defined]
        page.reload()
        inspect(visit, f"portal-batch-uploaded-{size}")
        page.get_by_role("button", name="証明書を取得する").click()
        inspect(visit, f"portal-batch-step-up-{size}")
        page.get_by_label("確認コード").fill(issuing_doors.code("hanako", "NAC001"))
        page.get_by_role("button", name="証明書を取得する").click()
        inspect(visit, f"portal-batch-working-{size}")
        worker.work_off(house.clock.now())
        page.get_by_role("link", name="進み具合を更新する").click()
        inspect(visit, f"portal-batch-report-{size}")
        with page.expect_download() as download:
            page.get_by_role("link", name="取得済みの証明書をまとめてダウンロードする").click()
        assert zipfile.is_zipfile(download.value.path())
