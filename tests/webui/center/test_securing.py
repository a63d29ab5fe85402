"""Revoking, suspending, resuming; replacing, thawing and unlocking codes."""

import pytest
from sqlalchemy import select

from enrollment import staff_views
from enrollment.code_sets import CodeSetState
from enrollment.staff_views import CertificateState, CodeSetView, IssuedCertificate
from kernel.audit import AuditEntry
from registry import terminals
from registry.states import TerminalState
from tests.support.house import SOURCE, House, new_request
from tests.webui.center.conftest import Day, file_application
from tests.webui.conftest import HANAKO, KATO, OPERATOR, START, Doors
from tests.webui.visitors import PASSWORD
from webui.accounts import NewAccount, Role


def certificate_of(doors: Doors, name: str) -> IssuedCertificate:
    with doors.database.snapshot() as session:
        return staff_views.certificates_of(session, name)[0]


def codes_of(doors: Doors, name: str) -> CodeSetView:
    with doors.database.snapshot() as session:
        return staff_views.code_sets_of(session, name, doors.clock.now())[0]


def state_of(doors: Doors, name: str) -> TerminalState:
    with doors.database.snapshot() as session:
        terminal = terminals.get(session, name)
    assert terminal is not None
    return terminal.state


def test_revocation_names_everything_asks_twice_and_is_done_once(issuing_doors: Doors, day: Day) -> None:
    doors, path = issuing_doors, f"/terminals/{day.issued}/revoke"
    ito, serial = doors.staff("ito"), certificate_of(doors, day.issued).serial
    assert serial in ito.get(path).text
    confirmation = ito.arrive(path, {"reason": "keyCompromise", "serial": serial}).text
    for text in (day.issued, "NAC001", "東京営業所", serial, "鍵の漏えい", "失効は元に戻せません。"):
        assert text in confirmation, text
    assert certificate_of(doors, day.issued).state is CertificateState.VALID
    done = ito.post(path, {"reason": "keyCompromise", "serial": serial, "step": "do"})
    assert f"端末{day.issued}の証明書を失効させました。" in ito.get(done.location).text
    assert certificate_of(doors, day.issued).reason == "keyCompromise"
    with doors.database.snapshot() as session:
        blocked = session.scalars(select(AuditEntry.actor).where(AuditEntry.action == "key.block")).all()
    assert blocked[-1:] == ["staff:ito"]
    again = ito.post(path, {"reason": "superseded", "serial": serial, "step": "do"})
    assert "すでに失効しています。何も変わっていません。" in ito.get(again.location).text
    assert certificate_of(doors, day.issued).reason == "keyCompromise"
    late = ito.get(path)
    assert late.status_code == 303
    assert "すでに失効しています。" in ito.get(late.location).text


@pytest.mark.parametrize("reason", ["", "certificateHold", "cACompromise", "<script>"])
@pytest.mark.parametrize("step", ["", "do"])
def test_a_revocation_needs_a_reason_of_the_list(issuing_doors: Doors, day: Day, reason: str, step: str) -> None:
    ito, serial = issuing_doors.staff("ito"), certificate_of(issuing_doors, day.issued).serial
    ito.get(f"/terminals/{day.issued}/revoke")
    response = ito.post(f"/terminals/{day.issued}/revoke", {"reason": reason, "serial": serial, "step": step})
    assert response.status_code == 422
    assert "理由を選択してください。" in response.text
    assert certificate_of(issuing_doors, day.issued).state is CertificateState.VALID


def test_a_certificate_that_changed_meanwhile_is_not_revoked_unseen(issuing_doors: Doors, day: Day) -> None:
    ito = issuing_doors.staff("ito")
    ito.get(f"/terminals/{day.issued}/revoke")
    form = {"reason": "keyCompromise", "serial": "5eed", "step": "do"}
    response = ito.post(f"/terminals/{day.issued}/revoke", form)
    assert "現在の証明書が変わりました。何も失効していません。" in ito.get(response.location).text
    assert certificate_of(issuing_doors, day.issued).state is CertificateState.VALID


def test_a_terminal_without_certificate_has_nothing_to_revoke(issuing_doors: Doors, day: Day) -> None:
    ito = issuing_doors.staff("ito")
    assert "証明書の失効へ進む" not in ito.get(f"/terminals/{day.waiting}").text
    response = ito.get(f"/terminals/{day.waiting}/revoke")
    assert "失効できる証明書がありません。" in ito.get(response.location).text


def test_a_terminal_is_suspended_and_resumed(issuing_doors: Doors, day: Day) -> None:
    doors, ito = issuing_doors, issuing_doors.staff("ito")
    assert "証明書を一時停止し、コードを凍結します。" in ito.get(f"/terminals/{day.issued}/suspend").text
    assert state_of(doors, day.issued) is TerminalState.IN_SERVICE
    done = ito.post(f"/terminals/{day.issued}/suspend")
    assert f"端末{day.issued}を停止しました。" in ito.get(done.location).text
    assert certificate_of(doors, day.issued).state is CertificateState.HELD
    again = ito.post(f"/terminals/{day.issued}/suspend")
    assert "端末の状態が「停止中」のため" in ito.get(again.location).text
    assert ito.get(f"/terminals/{day.issued}/suspend").status_code == 303
    ito.get(f"/terminals/{day.issued}/resume")
    done = ito.post(f"/terminals/{day.issued}/resume")
    assert "停止を解除しました。" in ito.get(done.location).text
    assert certificate_of(doors, day.issued).state is CertificateState.VALID
    assert state_of(doors, day.issued) is TerminalState.IN_SERVICE


def test_frozen_codes_are_thawed_and_redeemed(issuing_doors: Doors, house: House, day: Day) -> None:
    kato = issuing_doors.staff("kato")
    assert "コードの凍結を解除する" in kato.get(f"/terminals/{day.frozen}").text
    assert "お客様による凍結" in kato.get(f"/terminals/{day.frozen}").text
    kato.get(f"/terminals/{day.frozen}/codes/thaw")
    confirmed = kato.post(f"/terminals/{day.frozen}/codes/thaw")
    assert "管理責任者が同意すると解除されます。" in kato.get(confirmed.location).text
    assert codes_of(issuing_doors, day.frozen).state is CodeSetState.FROZEN
    issuing_doors.portal.extensions["webui-portal"].notices.consent(day.prepared, "NAC001", day.frozen, HANAKO.actor)
    again = kato.post(f"/terminals/{day.frozen}/codes/thaw")
    assert "コードの状態が変わったため" in kato.get(again.location).text
    house.redemption.redeem(house.codes_of(day.frozen), new_request().pem, SOURCE)


def test_codes_that_staff_froze_thaw_without_the_customer(issuing_doors: Doors, house: House, day: Day) -> None:
    kato = issuing_doors.staff("kato")
    house.notices.freeze(day.prepared, "NAC001", day.waiting, KATO)
    kato.get(f"/terminals/{day.waiting}/codes/thaw")
    done = kato.post(f"/terminals/{day.waiting}/codes/thaw")
    assert "凍結を解除しました。" in kato.get(done.location).text


def test_staff_read_who_saw_which_codes_and_when(issuing_doors: Doors, day: Day) -> None:
    page = issuing_doors.staff("kato").get(f"/terminals/{day.waiting}").text
    assert "見た人" in page
    assert "お客様 NAC001/hanako" in page
    assert "お客様 NAC001/hanako" in issuing_doors.staff("kato").get("/codes").text


def test_security_chooses_how_an_offices_codes_are_shown(doors: Doors) -> None:
    ito, path = doors.staff("ito"), "/offices/NAC001/disclosure"
    assert "すべてのコードを表示する" in ito.get("/offices/NAC001").text
    assert "認証コード3は申込者に表示する" in ito.get(path).text
    done = ito.post(path, {"disclosure": "split", "step": "do"})
    assert "コードの表示方法を変更しました。" in ito.get(done.location).text
    assert "認証コード3は申込者に表示する" in ito.get("/offices/NAC001").text
    assert ito.post(path, {"disclosure": "whole", "step": "back"}).location == "/offices/NAC001"
    assert ito.post(path, {"disclosure": "nobody", "step": "do"}).status_code == 400
    assert ito.get("/offices/ZZZ999/disclosure").status_code == 404
    assert "コードの表示方法を変更する" not in doors.staff("kato").get("/offices/NAC001").text


def test_locked_codes_are_unlocked_and_redeemed(issuing_doors: Doors, house: House, day: Day) -> None:
    kato = issuing_doors.staff("kato")
    kato.get(f"/terminals/{day.locked}/codes/unlock")
    done = kato.post(f"/terminals/{day.locked}/codes/unlock")
    assert "誤入力ロックを解除しました。" in kato.get(done.location).text
    assert codes_of(issuing_doors, day.locked).locked_until is None
    assert kato.get(f"/terminals/{day.locked}/codes/unlock").status_code == 303
    house.redemption.redeem(house.codes_of(day.locked), new_request().pem, "192.0.2.9")


def test_codes_are_replaced_by_new_ones(issuing_doors: Doors, house: House, day: Day) -> None:
    kato, before = issuing_doors.staff("kato"), house.codes_of(day.waiting)
    assert "すぐに使えなくなります。" in kato.get(f"/terminals/{day.waiting}/codes/replace").text
    assert house.codes_of(day.waiting) == before
    done = kato.post(f"/terminals/{day.waiting}/codes/replace")
    page = kato.get(done.location).text
    assert "コードを差し替えました。" in page
    assert "これまでのコード" in page
    assert house.codes_of(day.waiting).access_key != before.access_key
    assert codes_of(issuing_doors, day.waiting).state is CodeSetState.PREPARED
    ended = kato.post(f"/terminals/{day.issued}/codes/replace")
    assert "取得に使えるコードがありません。" in kato.get(ended.location).text


def test_who_approved_does_not_replace_codes_either(doors: Doors) -> None:
    roles = frozenset({Role.REVIEW, Role.ISSUING})
    doors.accounts.add(NewAccount("mori", "森", "mori@example.jp", PASSWORD, roles), OPERATOR)
    mori = doors.staff("mori")
    number = file_application(doors)
    mori.get(f"/applications/{number}/approve")
    mori.post(f"/applications/{number}/approve", {"start_date": START.isoformat(), "step": "do"})
    [name] = doors.preparation.prepare(number, KATO)
    page = mori.get(f"/terminals/{name}").text
    assert "コードの差し替えはほかの職員が行います。" in page
    assert "/codes/replace" not in page
    assert "この申込を承認した職員は" in mori.get(f"/terminals/{name}/codes/replace").text
    refused = mori.post(f"/terminals/{name}/codes/replace")
    assert "この申込を承認した職員は" in mori.get(refused.location).text
    assert codes_of(doors, name).preparer == str(KATO)


def test_a_suspended_terminals_codes_are_not_thawed(issuing_doors: Doors, day: Day) -> None:
    kato = issuing_doors.staff("kato")
    assert kato.get(f"/terminals/{day.suspended}/codes/thaw").status_code == 303
    kato.get(f"/terminals/{day.suspended}")
    refused = kato.post(f"/terminals/{day.suspended}/codes/thaw")
    assert "端末の状態が「停止中」のため" in kato.get(refused.location).text
    assert codes_of(issuing_doors, day.suspended).state is CodeSetState.FROZEN
