"""The first page: what waits, one's own tasks first."""

import re

from tests.webui.center.conftest import Day
from tests.webui.conftest import Doors
from tests.webui.visitors import Visitor

CARD = re.compile(r'<h3><a href="([^"]+)">([^<]+)</a></h3>\s*<p class="big \w+">(\d+)件</p>')


def cards(page: str) -> dict[str, int]:
    return {name: int(count) for _, name, count in CARD.findall(page)}


def test_the_first_page_counts_what_waits_and_leads_there(issuing_doors: Doors, day: Day) -> None:
    sato = issuing_doors.staff("sato")
    page = sato.get("/").text
    assert cards(page) == {
        "審査を待つ申込": 3,
        "お客様の回答を待つ申込": 1,
        "実施を待つ変更項目のある申込": 1,
        "コードの準備を待つ申込": 1,
        "判断を待つ再発行": 0,
        "コードの準備を待つ再発行": 0,
        "遅れている再発行": 0,
        "誤入力でロックされたコード": 1,
        "凍結されたコード": 2,
        "停止中の端末": 1,
        "確認を待つ連絡先の変更": 0,
        "送信できなかったメール": 5,
    }
    none = "ここに並ぶ再発行は、今はありません。"
    own = [day.fresh, day.queried, day.by_hand, none]
    no_change = "確認を待つ連絡先の変更はありません。"
    expected = [*own, day.approved, none, none, day.locked, day.frozen, day.suspended, no_change, "送信できず"]
    for (address, _, _), content in zip(CARD.findall(page), expected, strict=True):
        assert content in sato.get(address.replace("&amp;", "&")).text, address


def test_ones_own_tasks_come_first(sato: Visitor, kato: Visitor, ito: Visitor) -> None:
    own = {
        sato: {"審査を待つ申込", "お客様の回答を待つ申込", "実施を待つ変更項目のある申込", "判断を待つ再発行"},
        kato: {"コードの準備を待つ申込", "コードの準備を待つ再発行", "誤入力でロックされたコード", "凍結されたコード"},
        ito: {"停止中の端末", "確認を待つ連絡先の変更"},
    }
    for visitor, tasks in own.items():
        first, _ = visitor.get("/").text.split("そのほかの状況")
        assert set(cards(first)) == tasks
