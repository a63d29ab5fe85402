"""Notices for the demo's bulletin, of different kinds: the public page is not empty at first look."""

from datetime import timedelta

from kernel.audit import Actor
from kernel.clock import Clock, tokyo_date
from kernel.database import Database
from registry import bulletin
from registry.bulletin import BulletinDesk, Content

# The planned night of maintenance is so far ahead, and over on the day after it.
_AHEAD = timedelta(days=10)


def make(database: Database, clock: Clock, author: Actor, publisher: Actor) -> None:
    """Write and publish those notices that are not there yet."""
    desk = BulletinDesk(database, clock)
    with database.snapshot() as session:
        there = {notice.content.title_ja for notice in bulletin.listed(session).records}
    for content in _contents(clock):
        if content.title_ja not in there:
            desk.publish(desk.draft(content, author), 1, publisher)


def _contents(clock: Clock) -> tuple[Content, ...]:
    night = tokyo_date(clock.now()) + _AHEAD
    return (
        Content(
            category="software",
            title_ja="証明書の取得に使えるブラウザーについて",
            title_en="Browsers for retrieving certificates",
            body_ja=(
                "証明書の取得画面は、Microsoft Edge、Google Chrome、Mozilla Firefoxの最新版でお使いください。\n\n"
                "Internet Explorerでは取得できません。\n\n"
                "取得の手順は[デジタル証明書を取得する](/bulletin/manuals/retrieval)をご覧ください。"
            ),
            body_en=(
                "Please use the retrieval page with the newest version of Microsoft Edge, Google Chrome or Mozilla Firefox.\n\n"
                "Internet Explorer can not retrieve certificates.\n\n"
                "[Retrieving a certificate](/bulletin/manuals/retrieval) has each step."
            ),
        ),
        Content(
            category="procedures",
            title_ja="パソコンを入れ替えるときは再発行をお申し込みください",
            title_en="Ask for a reissue when you replace a PC",
            body_ja=(
                "証明書は1台のパソコンのためのものです。**入替えは、端末の追加や廃止ではありません。**\n\n"
                "サポートシステムの「契約内容確認」の「netNACCS」で、その論理端末の再発行をお申し込みください。"
                "新しい証明書を取得するまで、今の証明書をご利用になれます。"
            ),
            body_en=(
                "A certificate is for one PC. **Replacing the PC is neither a new terminal nor the end of one.**\n\n"
                "Ask for a reissue for that terminal in the support system, under Contract, netNACCS. "
                "The present certificate can be used until the new one is retrieved."
            ),
            is_pinned=True,
        ),
        Content(
            category="maintenance",
            title_ja=f"定期メンテナンスのお知らせ({night.month}月{night.day}日)",
            title_en=f"Planned maintenance on {night.isoformat()}",
            body_ja=(
                f"{night.year}年{night.month}月{night.day}日の2時から4時まで、サポートシステムをご利用になれません。\n\n"
                "端末のログオンと証明書の取得は、この間もご利用になれます。"
            ),
            body_en=(
                f"The support system can not be used on {night.isoformat()} from 02:00 to 04:00 (Japan time).\n\n"
                "Terminals can log on and retrieve certificates meanwhile."
            ),
            publish_until=night,
        ),
    )
