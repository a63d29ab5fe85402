"""What the page says beyond the refusals' own sentences: what to do next, and what the script says while it works."""

from collections.abc import Mapping

from enrollment.protocols.page import fields
from enrollment.protocols.page.texts import gettext, mark

# After the sentence of `enrollment.protocols.problems` with the same code.
ADVICE: Mapping[str, str] = {
    "codes-wrong": mark("5項目を1文字ずつ比べて、もう一度入力してください。誤りが5回続くと、しばらく受け付けられなくなります。"),
    "codes-spent": mark(
        "このコードで取得を始めたブラウザーが残っていれば、24時間以内はそのブラウザーでこの画面を開き、同じコードを入力すると続きから取得できます。"
    ),
    "key-used": mark("この画面をもう一度開いて、最初からやり直してください。"),
    "terminal-abolished": mark("お心当たりがない場合は、ヘルプデスクへご連絡ください。"),
    "certificate-revoked": mark("お心当たりがない場合は、ヘルプデスクへご連絡ください。"),
    "start-date-too-far": mark("利用開始日が近づいてから、もう一度お試しください。コードはそのまま使えます。"),
}
_SCRIPT: Mapping[str, str] = {
    "required": fields.REQUIRED,
    "check_digit": fields.CHECK_DIGIT,
    "office_differs": fields.OFFICE_DIFFERS,
    "passphrase_short": mark("12文字以上で入力してください。"),
    "passphrase_letters": mark("半角の英数字と記号だけで入力してください。空白も使えます。"),
    "passphrase_differs": mark("2つのパスフレーズが一致しません。"),
    "strength_weak": mark("強さ: 弱い。同じ文字や並びの繰返しを避け、もっと長くしてください。"),
    "strength_fair": mark("強さ: 十分"),
    "strength_strong": mark("強さ: 強い"),
    "making_key": mark("このパソコンの中で鍵を作成しています。"),
    "other_tab": mark("同じコードの取得が別のタブで進んでいます。終わるまで待っています。"),
    "resumed": mark("前回このブラウザーで作成した鍵を使って、続きから取得します。"),
    "sending": mark("センターに送信し、証明書の発行を待っています。"),
    "no_answer": mark(
        "センターから応答がありません。{seconds}秒後に自動でもう一度送信します({count}回目)。コードは失われていません。"
    ),
    "checking": mark("受け取った証明書を確認しています。"),
    "making_file": mark("ファイルを作成しています。"),
    "lost_title": mark("センターに接続できませんでした"),
    "lost": mark(
        "コードは失われていません。ネットワークを確認し、この画面を閉じずに「証明書を取得する」をもう一度押してください。閉じた場合も、24時間以内に同じコードを入力すると同じ鍵で続きから取得できます。"
    ),
    "refused_title": mark("証明書を取得できませんでした"),
    "again_at": mark("次に入力できる時刻: {time}"),
    "foreign": mark(
        "受け取った証明書がこのブラウザーの鍵と一致しません。ファイルは作成していません。ヘルプデスクへご連絡ください。"
    ),
    "failed": mark(
        "このブラウザーでは処理を完了できませんでした。コードは失われていません。同じブラウザーでこの画面を開き直し、もう一度お試しください。"
    ),
    "starts_later": mark("利用開始日前のためまだログオンできませんが、証明書は正常です。"),
    "saved_before": mark("このファイルは、このブラウザーで前に作成したものです。パスフレーズは、そのときに決めたものです。"),
    "pending": mark("{time}に始めた取得が終わっていません。同じコードを入力すると、同じ鍵で続きから取得します。"),
    "unsaved": mark("ファイルをまだ保存していません。"),
}


def script_words() -> Mapping[str, object]:
    """Return everything that the script says, in the reader's language."""
    words: dict[str, object] = {name: gettext(text) for name, text in _SCRIPT.items()}
    words["advice"] = {code: gettext(text) for code, text in ADVICE.items()}
    return words
