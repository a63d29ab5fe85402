"""What a finding of a terminal's diagnosis means and what to do about it, by its topic; `%(name)s` is a fact of the finding."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from webui.texts import mark


class Way(Enum):
    """Where a remedy is done, and what its button says."""

    CODES = mark("ID通知内容を見る")
    REISSUE = mark("再発行を申し込む")
    OPEN_REISSUE = mark("手続き中の再発行を見る")
    RENEWAL = mark("更新の手順を見る")
    RETRIEVAL = mark("取得の手順を見る")
    NOTICE = mark("お知らせを読む")

    @property
    def label(self) -> str:
        """What the button says."""
        return self.value


@dataclass(frozen=True)
class Topic:
    """The cause and the remedy; without one nothing is to be done.

    `meanwhile` is the remedy of what a reissue mends, where one is under way already.
    """

    cause: str
    remedy: str = ""
    way: Way | None = None
    meanwhile: str = mark("再発行を手続き中です。新しい証明書を取得すると、ログオンできるようになります。")


_CALL = mark("ヘルプデスクへご連絡ください。")
_LIFT = mark("ヘルプデスクへ利用の再開を依頼し、そのあとで再発行を申し込んでください。")
_NEW_CODES = mark(
    "再発行を申し込んでください。センターが新しいコードを準備します。端末が停止しているときは、先にヘルプデスクへご連絡ください。"
)
_REISSUE = mark("この証明書は元に戻せません。端末を使うときは、再発行を申し込んでください。")

TOPICS: Mapping[str, Topic] = {
    "service": Topic(mark("センターのサービスに、知られている障害はありません。")),
    "service-list-over": Topic(
        mark(
            "センターの失効リスト(CRL)の更新が遅れています(%(since_at)sから)。証明書が正しくても、接続が拒否されることがあります。"
        ),
        mark("お客様の作業は必要ありません。センターが対応しています。経過は掲示板でお知らせします。"),
    ),
    "service-notice": Topic(mark("センターからのお知らせ: %(title)s"), mark("お知らせの内容をご確認ください。"), Way.NOTICE),
    "terminal": Topic(mark("端末は利用中です(利用開始日: %(start_on)s)。")),
    "terminal-pending": Topic(mark("端末は登録されています。証明書を取得すると利用できます(利用開始日: %(start_on)s)。")),
    "start-ahead": Topic(
        mark("利用開始日の前です。%(start_on)sの0時からログオンできます。"),
        mark("ログオンは、利用開始日までお待ちください。"),
    ),
    "terminal-abolished": Topic(
        mark("この端末は廃止されました(%(changed_at)s)。"),
        mark("廃止した端末は元に戻せません。必要なときは、端末の追加を申し込んでください。"),
    ),
    "suspended-by-staff": Topic(mark("%(since_on)sから、センターがこの端末を停止しています。"), _CALL),
    "suspended-by-rule-1": Topic(
        mark("%(since_on)sから停止しています。利用開始日から2か月以内に、証明書が取得されませんでした。"), _LIFT
    ),
    "suspended-by-rule-2": Topic(
        mark("%(since_on)sから停止しています。有効期限から2か月以内に、証明書が更新されませんでした。"), _LIFT
    ),
    "suspended-by-rule-3": Topic(
        mark("%(since_on)sから停止しています。再発行から2か月以内に、証明書が取得されませんでした。"), _LIFT
    ),
    "approval-waits": Topic(
        mark("この端末の申込は、まだ承認されていません。"),
        mark("センターの確認をお待ちください。確認事項があるときは、「申込内容確認」から回答してください。"),
    ),
    "codes-none": Topic(
        mark("証明書の取得に使うコードは、まだ準備されていません。"),
        mark("準備ができると、メールと新着情報でお知らせします。それまでお待ちください。"),
    ),
    "codes-unread": Topic(
        mark("コードは準備されていますが、まだだれも確認していません(取得期限: %(expires_on)s)。"),
        mark("「ID通知内容」でコードを確認し、使用するパソコンで期限までに証明書を取得してください。"),
        Way.CODES,
    ),
    "codes-unredeemed": Topic(
        mark("コードは%(read_at)sに確認されましたが、証明書はまだ取得されていません(取得期限: %(expires_on)s)。"),
        mark("使用するパソコンで、期限までに証明書を取得してください。"),
        Way.CODES,
    ),
    "codes-claimed": Topic(
        mark("証明書の取得が途中で止まっています(%(claimed_at)sに開始)。"),
        mark(
            "取得を始めたパソコンで、同じコードを使ってもう一度取得してください。同じパソコンなら、何度試しても問題はありません。"
        ),
        Way.RETRIEVAL,
    ),
    "codes-mistyped": Topic(
        mark("コードの入力誤りが%(failures)s回ありました。5回続くと、しばらく取得できなくなります。"),
        mark(
            "「ID通知内容」を見ながら、もう一度入力してください。コピーのボタンも使えます。心当たりがないときは、コードを凍結してください。"
        ),
        Way.CODES,
    ),
    "codes-locked": Topic(
        mark("コードの入力誤りが続いたため、%(until_at)sまで取得できません。"),
        mark(
            "時間をおいてから入力してください。急ぐときは、ヘルプデスクが解除できます。心当たりがないときは、コードを凍結してください。"
        ),
        Way.CODES,
    ),
    "codes-expired": Topic(mark("コードの取得期限(%(expires_on)s)が過ぎています。"), _NEW_CODES, Way.REISSUE),
    "codes-frozen-consent": Topic(
        mark("コードは、事業所の方が凍結しました(%(frozen_at)s)。解除には管理責任者の同意が必要です。"),
        mark("管理責任者が「ID通知内容」で解除に同意してください。センターの確認もあると解除されます。"),
        Way.CODES,
    ),
    "codes-frozen-staff": Topic(
        mark("コードは、事業所の方が凍結しました(%(frozen_at)s)。管理責任者は解除に同意しています。"),
        mark("センターが確認すると解除されます。急ぐときは、ヘルプデスクへご連絡ください。"),
    ),
    "codes-frozen-by-staff": Topic(mark("コードは、センターが凍結しました。"), _CALL),
    "codes-frozen-with-terminal": Topic(mark("端末が停止しているため、コードは凍結されています。"), _CALL),
    "codes-redeemed": Topic(mark("コードで証明書が取得されました(%(redeemed_at)s)。")),
    "certificate-none": Topic(
        mark("証明書は、まだ取得されていません。"), mark("使用するパソコンで、コードを使って取得してください。"), Way.RETRIEVAL
    ),
    "certificate-none-yet": Topic(mark("証明書は、まだ取得されていません。")),
    "certificate": Topic(mark("証明書は有効です(%(last_on)sまで、シリアル番号: %(serial)s)。")),
    "certificate-expired": Topic(
        mark("証明書の有効期限は%(last_on)sに切れました。"),
        mark("期限を過ぎた証明書は更新できません。再発行を申し込んでください。%(suspended_on)sになると、端末は停止します。"),
        Way.REISSUE,
    ),
    "certificate-held": Topic(mark("証明書は一時停止中です。"), _CALL),
    "certificate-revoked": Topic(mark("証明書は%(revoked_at)sに失効しました(理由: %(reason)s)。"), _REISSUE, Way.REISSUE),
    "certificate-compromised": Topic(
        mark("証明書は%(revoked_at)sに失効しました(理由: %(reason)s)。この証明書の鍵は、もう使えません。"), _REISSUE, Way.REISSUE
    ),
    "superseded": Topic(
        mark("前の証明書(シリアル番号: %(serial)s)は、新しい証明書に替わり、%(revoked_at)sに失効しました。"),
        mark("前の証明書が入っているパソコンではログオンできません。新しい証明書を取得したパソコンを使用してください。"),
    ),
    "superseded-by-reissue": Topic(
        mark(
            "前の証明書(シリアル番号: %(serial)s)は、%(requested_on)sに申し込んだ再発行(理由: %(reason)s)により、"
            "%(revoked_at)sに失効しました。"
        ),
        mark("前のパソコンではログオンできません。新しい証明書を取得したパソコンで、新しい端末アクセスキーを入力してください。"),
    ),
    "superseded-by-renewal": Topic(
        mark("前の証明書(シリアル番号: %(serial)s)は、更新により%(revoked_at)sに失効しました。"),
        mark("接続するときは、新しい証明書を選んでください。端末アクセスキーは変わりません。"),
    ),
    "logon": Topic(mark("センターの記録では、この端末はログオンできます。")),
    "logon-mistyped": Topic(
        mark("端末アクセスキーの誤りが%(failures)s回ありました。5回続くと、しばらくログオンできなくなります。"),
        mark(
            "ソフトウェアに設定した端末アクセスキーを、取得したときのものと1桁ずつ比べてください。再発行のあとは、新しいキーになります。"
        ),
    ),
    "logon-locked": Topic(
        mark("端末アクセスキーの誤りが続いたため、%(until_at)sまでログオンできません。"),
        mark("時間をおいてから、正しい端末アクセスキーでログオンしてください。わからないときは、再発行を申し込んでください。"),
        Way.REISSUE,
        mark("時間をおいてから、正しい端末アクセスキーでログオンしてください。再発行を手続き中です。"),
    ),
    "logon-refused": Topic(
        mark("%(last_at)sのログオンが拒否されました(このコードは、これまで%(times)s回)。"),
        mark("コードの説明で、原因と対処を確認してください。そのあとで直っていれば、対処は必要ありません。"),
    ),
    "logon-refused-elsewhere": Topic(
        mark("%(last_at)sに、今のものではない証明書(シリアル番号: %(serial)s)でログオンが試され、拒否されました。"),
        mark(
            "前のパソコンか、前の証明書が使われています。今の証明書を取得したパソコンでログオンし、前の証明書はパソコンから削除してください。"
        ),
    ),
    "renewal": Topic(mark("更新できる期間は、%(first_on)sから%(last_on)sまでです。")),
    "renewal-open": Topic(
        mark("更新できる期間です(%(last_on)sまで)。"),
        mark("証明書が入っているパソコンで、期限までに更新してください。"),
        Way.RENEWAL,
    ),
    "renewal-urgent": Topic(
        mark("証明書は%(last_on)sに切れますが、まだ更新されていません。"),
        mark("証明書が入っているパソコンで、すぐに更新してください。期限を過ぎると再発行が必要になります。"),
        Way.RENEWAL,
    ),
    "renewal-final": Topic(
        mark("証明書は、システムの世代の終わり(%(last_on)s)まで使えます。新しいコードはセンターが用意します。")
    ),
    "renewal-blocked": Topic(
        mark("再発行が承認されているため、今の証明書は更新できません。"),
        mark("新しいコードの準備ができたら、再発行の証明書を取得してください。"),
    ),
    "renewal-unfinished": Topic(
        mark("更新が途中で止まっています。今の証明書は、%(last_on)sまで使えます。"),
        mark("証明書が入っているパソコンで、もう一度更新してください。"),
        Way.RENEWAL,
    ),
    "reissue-requested": Topic(
        mark("再発行を申込中です(%(requested_on)s、理由: %(reason)s)。"),
        mark("センターの承認をお待ちください。"),
        Way.OPEN_REISSUE,
    ),
    "reissue-accepted": Topic(
        mark("再発行が承認されました(理由: %(reason)s)。コードは%(ready_on)s以降に準備されます。"),
        mark("準備ができると、メールと新着情報でお知らせします。"),
        Way.OPEN_REISSUE,
    ),
    "reissue-prepared": Topic(
        mark("再発行のコードが準備されています(理由: %(reason)s、取得期限: %(ends_on)s)。"),
        mark("「ID通知内容」の新しいコードで、期限までに新しい証明書を取得してください。"),
        Way.OPEN_REISSUE,
    ),
    "reissue-prepared-closed": Topic(
        mark("再発行のコードが準備されましたが、今は使えません(理由: %(reason)s、取得期限: %(ends_on)s)。"),
        mark("コードについての対処を先に行ってください。"),
        Way.OPEN_REISSUE,
    ),
}
