"""What the client says, in Japanese or English: one line for each refusal, what happened and what to do."""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal

from enrollment.client.inputs import FIELDS
from enrollment.client.renewal import NotNow, Renewed
from enrollment.client.report import IN_SERVICE, SUSPENDED, Report
from enrollment.client.retrieval import Retrieval
from enrollment.client.standing import Phase, Standing
from kernel.clock import TOKYO
from kernel.errors import Refused

Language = Literal["ja", "en"]

_SENTENCES: Mapping[str, tuple[str, str]] = {
    "inputs-malformed": (
        "入力ファイルを読み取れません。「認証コード1：…」の形式またはJSONで5項目を記入してください。",
        "The file of inputs can not be read. Write the five of them as lines `access_key: …`, or as JSON.",
    ),
    "input-missing": ("入力項目がありません：{field}", "An input is missing: {field}."),
    "input-invalid": ("入力項目が空か、長すぎます：{field}", "An input is empty or too long: {field}."),
    "access-key-mistyped": (
        "端末アクセスキーに誤りがあります(13桁の数字)。ID通知内容をご確認ください。まだ送信していません。",
        "The access key (13 digits) is mistyped. Compare it with the ID notice. Nothing was sent.",
    ),
    "address-invalid": ("接続先が正しくありません：{address}", "This is no https address: {address}"),
    "trust-unreadable": (
        "信頼するルート証明書を読み取れません：{path}",
        "The root certificates to trust can not be read: {path}",
    ),
    "proxy-invalid": (
        "プロキシの指定は http://ホスト:ポート の形式にしてください。",
        "Give the proxy as http://host:port.",
    ),
    "proxy-refused": ("プロキシが接続を拒否しました：{detail}", "The proxy refused the connection: {detail}"),
    "server-not-trusted": (
        "接続先を信頼できません({detail})。接続先とルート証明書をご確認ください。何も送信していません。",
        "The server is not trusted ({detail}). Check its address and the root certificates. Nothing was sent.",
    ),
    "tls-failed": (
        "TLS接続に失敗しました({detail})。この接続先の証明書かをご確認ください。",
        "TLS failed ({detail}). Is the certificate one for this server?",
    ),
    "unreachable": (
        "接続できません({detail})。しばらくしてから同じ操作をもう一度行ってください。何も失われていません。",
        "No connection ({detail}). Do the same again a little later; nothing is lost.",
    ),
    "answer-unexpected": (
        "接続先から想定外の応答がありました(状態{status})。接続先をご確認ください。同じ操作をもう一度行っても安全です。",
        "An unexpected answer (status {status}). Check the address. It is safe to do the same again.",
    ),
    "files-exist": (
        "すでに存在するため上書きしません：{path}。別のフォルダーを指定してください。",
        "It exists and is not overwritten: {path}. Name another folder.",
    ),
    "folder-unwritable": ("フォルダーに書き込めません：{path}({detail})", "The folder can not be written: {path} ({detail})"),
    "passphrase-needed": ("パスフレーズが必要です：{path}", "A passphrase is needed: {path}"),
    "passphrase-empty": ("パスフレーズが空です：{path}", "The passphrase is empty: {path}"),
    "passphrase-unreadable": ("パスフレーズを読み取れません：{path}", "The passphrase can not be read: {path}"),
    "passphrase-wrong": ("パスフレーズが違います：{path}", "The passphrase is wrong: {path}"),
    "key-unreadable": ("鍵を読み取れません：{path}", "The key can not be read: {path}"),
    "certificate-unreadable": ("証明書を読み取れません：{path}", "The certificate can not be read: {path}"),
    "no-certificate": (
        "証明書がありません：{path}。先に取得してください。",
        "There is no certificate: {path}. Retrieve it first.",
    ),
    "no-key": ("鍵がありません：{path}", "There is no key: {path}"),
    "certificate-of-another-key": (
        "証明書がこのパソコンの鍵と一致しません。ヘルプデスクへご連絡ください。",
        "The certificate is not for the key of this PC. Call the help desk.",
    ),
    "certificate-of-another-terminal": (
        "受け取った証明書は別の端末({terminal})のものです。ヘルプデスクへご連絡ください。",
        "The certificate is for another terminal ({terminal}). Call the help desk.",
    ),
    "chain-broken": (
        "証明書が信頼するルート証明書まで検証できません({detail})。ヘルプデスクへご連絡ください。",
        "The certificate can not be verified up to a trusted root ({detail}). Call the help desk.",
    ),
    "renewal-running": (
        "このフォルダーでは更新がすでに実行中です：{path}。終わるまでお待ちください。",
        "A renewal is running in this folder: {path}. Wait until it ends.",
    ),
    "renewal-closed": (
        "更新できる期間は{first_day}から{last_day}まで(日本時間)です。まだ何も変更していません。",
        "Renewal is possible from {first_day} to {last_day} (days in Japan). Nothing was changed.",
    ),
    "terminal-barred": (
        "論理端末 {terminal} は利用停止中のため更新できません。ヘルプデスクへご連絡ください。",
        "Terminal {terminal} is suspended and can not renew. Call the help desk.",
    ),
    "reissue-blocks-renewal": (
        "再発行を受け付けているため、更新は不要です。再発行の証明書を取得してください。",
        "A reissue was accepted: there is nothing to renew. Retrieve the reissued certificate.",
    ),
    "renewal-unproven": (
        "新しい証明書を接続先が認識しません。今までの証明書を引き続き使用できます。ヘルプデスクへご連絡ください。",
        "The door does not know the new certificate. The old one stays in use. Call the help desk.",
    ),
}
# What to do about an answer of the logon check, where the door's sentence does not say it.
_REMEDIES: Mapping[str, tuple[str, str]] = {
    "A0010": ("当センターへご確認ください。", "Ask the center."),
    "A0018": (
        "この証明書を取得したときのID通知内容の端末アクセスキーを入力してください。",
        "Type the access key of the ID notice with which this certificate was retrieved.",
    ),
    "A0019": ("論理端末名(数字5桁と英字1字)をご確認ください。", "Check the terminal's name (five digits and a letter)."),
    "A0035": ("この端末で取得した証明書を使用してください。", "Use the certificate that this terminal retrieved."),
    "key-used": (
        "端末ごとに別のフォルダーを指定してください。",
        "Name a folder of its own for each terminal.",
    ),
}
_PHASES: Mapping[Phase, tuple[str, str]] = {
    Phase.NOTHING: ("証明書はありません。", "There is no certificate."),
    Phase.PENDING: (
        "鍵は作成済みですが、証明書を受け取っていません。取得をもう一度行ってください。",
        "A key was made, but its certificate has not come. Retrieve again.",
    ),
    Phase.STARTS_LATER: ("正常(利用開始日前)", "fine; its start date lies ahead"),
    Phase.VALID: ("有効", "valid"),
    Phase.EXPIRED: ("有効期限切れ。再発行を申し込んでください。", "expired; apply for a reissue"),
}

_UNDER_WAY = (
    ("更新", "途中で止まっています。「tegata terminal renew」を実行してください。"),
    ("renewal", "begun and not finished: run `tegata terminal renew`"),
)
_YES, _NO = ("はい", "yes"), ("いいえ", "no")


def codes() -> frozenset[str]:
    """Return the codes of the client's own refusals; the doors' have their sentences with them."""
    return frozenset(_SENTENCES)


def line(refused: Refused, language: Language) -> str:
    """Return one line for a refusal, the door's or our own: its code, what happened, what to do."""
    parts = [_sentence(refused, language), _choose(_REMEDIES.get(refused.code, ("", "")), language)]
    return f"{refused.code}: {' '.join(part for part in parts if part)}"


def retrieved(retrieval: Retrieval, language: Language) -> str:
    """Return the line that tells a retrieval's success."""
    begin, end = tokyo(retrieval.not_before), tokyo(retrieval.not_after)
    if language == "ja":
        later = "利用開始日前のため、まだログオンできませんが、証明書は正常です。" if retrieval.starts_later else ""
        return f"論理端末 {retrieval.terminal} の証明書を取得しました。有効期間：{begin} ～ {end}(日本時間)。{later}"
    later = " It is fine; logon begins on the start date." if retrieval.starts_later else ""
    return f"The certificate of terminal {retrieval.terminal} was retrieved: {begin} to {end} (Japan time).{later}"


def renewed(renewal: Renewed, language: Language) -> str:
    """Return the line that tells a renewal's success."""
    begin, end = tokyo(renewal.not_before), tokyo(renewal.not_after)
    if language == "ja":
        kept = "" if renewal.is_proven else "以前のファイルは、次回の実行で確認できるまで .old として残ります。"
        return f"論理端末 {renewal.terminal} の証明書を更新しました。有効期間：{begin} ～ {end}(日本時間)。{kept}"
    kept = "" if renewal.is_proven else " The old files stay as .old until the next run has seen the new ones at work."
    return f"The certificate of terminal {renewal.terminal} was renewed: {begin} to {end} (Japan time).{kept}"


def not_now(answer: NotNow, language: Language) -> str:
    """Return the line that tells that nothing was to be done, and when there will be."""
    why = f"({line(answer.refusal, language)})" if answer.refusal else ""
    first, last, at = answer.first_day.isoformat(), answer.last_day.isoformat(), tokyo(answer.suggested)
    if language == "ja":
        return f"論理端末 {answer.terminal}：今は更新しません。更新期間 {first} ～ {last}、更新予定 {at}(日本時間)。{why}"
    days = f"the window is {first} to {last}, this terminal renews from {at} on (Japan time)."
    return " ".join(filter(None, (f"Terminal {answer.terminal}: nothing to renew now; {days}", why)))


def permitted(terminal: str, language: Language) -> str:
    """Return the line that tells a permitted logon."""
    return f"論理端末 {terminal} はログオンできます。" if language == "ja" else f"Terminal {terminal} may log on."


def told(standing: Standing, language: Language) -> list[tuple[str, str]]:
    """Return what a folder holds as pairs of label and text."""
    japanese = language == "ja"
    rows = [("状態" if japanese else "state", _choose(_PHASES[standing.phase], language))]
    if standing.not_before is None or standing.not_after is None:
        return rows
    key = {
        True: ("一致", "matches"),
        False: ("一致しません", "does not match"),
        None: ("未確認(パスフレーズなし)", "not looked at"),
    }
    zone = "(日本時間)" if japanese else " (Japan time)"
    return [
        ("論理端末名" if japanese else "terminal", standing.terminal or "-"),
        *rows,
        ("開始" if japanese else "from", tokyo(standing.not_before) + zone),
        ("終了" if japanese else "until", tokyo(standing.not_after) + zone),
        ("鍵" if japanese else "key", _choose(key[standing.key_matches], language)),
        ("発行元" if japanese else "issuer", standing.issuer or "-"),
        ("シリアル番号" if japanese else "serial number", standing.serial or "-"),
        ("更新期間" if japanese else "window for renewal", f"{standing.first_day} / {standing.last_day}"),
        *([_UNDER_WAY[0] if japanese else _UNDER_WAY[1]] if standing.is_renewing else []),
    ]


def reported(report: Report, language: Language) -> list[tuple[str, str]]:
    """Return what the door said of the terminal as pairs of label and text."""
    japanese = language == "ja"
    states = {
        IN_SERVICE: ("利用中", "in service"),
        SUSPENDED: ("利用停止中", "suspended"),
    }
    state = (
        states.get(report.state, (report.state, report.state)) if not report.is_held else ("証明書停止中", "certificate on hold")
    )
    rows = [
        ("端末の状態" if japanese else "terminal's state", _choose(state, language)),
        ("利用開始日" if japanese else "start date", report.start_date.isoformat()),
        (
            "更新予定" if japanese else "to be renewed from",
            tokyo(report.suggested) + ("(日本時間)" if japanese else " (Japan time)"),
        ),
        ("今更新できるか" if japanese else "renewal possible now", _choose(_YES if report.may_renew else _NO, language)),
    ]
    if report.reissue is not None:
        rows.append(("再発行" if japanese else "reissue", f"{report.reissue.state} ({report.reissue.reason})"))
    return rows


def label(name: str, language: Language) -> str:
    """Return what the ID notice calls an input."""
    return next((_choose((field.japanese, field.english), language) for field in FIELDS if field.name == name), name)


def tokyo(instant: datetime) -> str:
    """Return an instant as people read it."""
    return instant.astimezone(TOKYO).strftime("%Y/%m/%d %H:%M:%S")


def _sentence(refused: Refused, language: Language) -> str:
    facts = {name: str(value) for name, value in refused.facts.items()}
    if title := _choose((facts.get("title", ""), facts.get("title_en", "")), language):
        return title
    if "field" in facts:
        facts["field"] = label(facts["field"], language)
    pattern = _choose(_SENTENCES.get(refused.code, ("処理できませんでした。", "This was not possible.")), language)
    return pattern.format_map(_Facts(facts))


def _choose(pair: tuple[str, str], language: Language) -> str:
    return pair[0] if language == "ja" else pair[1]


class _Facts(dict[str, str]):
    """A sentence's facts; a missing one is a dash."""

    def __missing__(self, _key: str) -> str:
        return "-"
