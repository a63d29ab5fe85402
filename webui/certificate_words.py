"""Words about certificates that only lists and pages of certificates say."""

from collections.abc import Mapping

from enrollment.interfaces import Interface
from enrollment.office_certificates import Choice
from webui.texts import mark

CHOICES: Mapping[Choice, str] = {
    Choice.ALL: mark("すべて"),
    Choice.CURRENT: mark("現在の証明書"),
    Choice.ENDING: mark("更新できるもの"),
    Choice.EXPIRED: mark("期限切れ"),
    Choice.EARLIER: mark("前の証明書"),
    Choice.REVOKED: mark("失効したもの"),
}
INTERFACES: Mapping[Interface, str] = {
    Interface.PAGE: mark("ブラウザーの取得ページ"),
    Interface.REST: mark("専用プログラム(REST)"),
    Interface.BATCH: mark("一括取得"),
    Interface.EST: "EST (RFC 7030)",
    Interface.SCEP: "SCEP (RFC 8894)",
    Interface.CMP: "CMP (RFC 9810)",
}
