"""What a diagnosis says: for each finding the cause, and what to do about it, in Japanese or English."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

from enrollment.client import texts
from enrollment.client.findings import Check, Diagnosis, Finding, Verdict
from enrollment.client.texts import Language

_CALL = ("ヘルプデスクへご連絡ください。", "Call the help desk.")
_LIFTED = (
    "ヘルプデスクへ利用再開をご依頼のうえ、サポートシステムで再発行を申し込んでください。",
    "Ask the help desk to lift the suspension, then apply for a reissue in the support system.",
)
_NOTHING = ("", "")
_RENEW = ("「tegata terminal renew」を実行してください。", "Run `tegata terminal renew`.")
_TIMER = (
    "自動更新(タイマー)が動いているか確認し、「tegata terminal renew」を実行してください。",
    "See whether the daily timer runs, and run `tegata terminal renew`.",
)
_LATER = (
    "しばらくしてからもう一度お試しください。続く場合はネットワーク管理者へご確認ください。",
    "Try again a little later; if it persists, ask your network's administrator.",
)
_FIREWALL = (
    "ファイアウォールがこのポートへの接続を許可しているか、ネットワーク管理者へご確認ください。",
    "Ask your network's administrator whether the firewall lets connections to this port pass.",
)
_INSPECTION = (
    "--ca のファイルが正しいか、通信を検査する装置(プロキシ等)がこの接続先を除外しているかご確認ください。",
    "Is the file of --ca the right one? Does a proxy inspect TLS? It must leave this address alone.",
)
_CLOCK = (
    "パソコンの日付と時刻(タイムゾーンを含む)を合わせてください。",
    "Set the PC's date, time and time zone.",
)


@dataclass(frozen=True)
class Topic:
    """The cause and the remedy, each in Japanese and English; `{name}` is a fact of the finding."""

    cause: tuple[str, str]
    remedy: tuple[str, str] = _NOTHING


TOPICS: Mapping[str, Topic] = {
    "skipped": Topic(("上の問題のため確認できませんでした。", "Could not be looked at because of what stands above.")),
    "closed": Topic(
        ("パスフレーズで保護されているため、中を確認していません。", "Protected by a passphrase, so not looked into."),
        ("--passphrase-file を指定すると確認できます。", "Give --passphrase-file to have it looked at."),
    ),
    "certificate": Topic(
        (
            "論理端末 {terminal} の証明書があります(シリアル番号 {serial})。",
            "The certificate of terminal {terminal}, serial {serial}.",
        )
    ),
    "certificate-missing": Topic(
        ("このフォルダーに証明書がありません：{folder}", "There is no certificate in this folder: {folder}"),
        (
            "フォルダーの指定を確認し、未取得なら「tegata terminal retrieve」で取得してください。",
            "Is it the right folder? If nothing was retrieved yet, run `tegata terminal retrieve`.",
        ),
    ),
    "certificate-pending": Topic(
        (
            "鍵は作成済みですが、証明書を受け取っていません：{folder}",
            "A key was made, but its certificate has not come: {folder}",
        ),
        (
            "同じフォルダーで「tegata terminal retrieve」をもう一度実行してください。",
            "Run `tegata terminal retrieve` again, with this folder.",
        ),
    ),
    "key": Topic(("鍵は証明書と一致します。", "The key fits the certificate.")),
    "key-missing": Topic(
        ("秘密鍵がありません。", "The private key is missing."),
        (
            "バックアップに key.pem があれば戻し、なければ再発行(証明書を削除した)を申し込んでください。",
            "Restore key.pem from a backup; without one apply for a reissue (certificate deleted).",
        ),
    ),
    "key-other": Topic(
        ("鍵と証明書が一致しません。", "Key and certificate do not belong together."),
        (
            "別の端末や古いファイルが混ざっています。元のファイルに戻すか、再発行を申し込んでください。",
            "Files of another terminal or older ones got mixed in. Put the right ones back, or apply for a reissue.",
        ),
    ),
    "key-open": Topic(
        ("ほかのユーザーが読み取れるファイルがあります：{path}", "Others can read this file: {path}"),
        ("所有者だけが読み取れるようにしてください(chmod 600)。", "Let only its owner read it (chmod 600)."),
    ),
    "period": Topic(("有効期間内です：{not_before} ～ {not_after}", "In its period: {not_before} to {not_after}.")),
    "period-ahead": Topic(
        (
            "利用開始日前です。{not_before} からログオンできます(パソコンの時計：{now})。",
            "Logon begins at {not_before} (this PC's clock: {now}).",
        ),
    ),
    "period-over": Topic(
        (
            "証明書の有効期限が切れています：{not_after}(パソコンの時計：{now})",
            "The certificate ended at {not_after} (this PC's clock: {now}).",
        ),
        (
            "パソコンの時計が正しければ、再発行(更新せずに期限切れ)を申し込んでください。",
            "If the clock is right, apply for a reissue (expired without renewal).",
        ),
    ),
    "trust": Topic(("証明書は信頼するルートまで検証できます：{path}", "The certificate leads up to a trusted root: {path}")),
    "roots": Topic(("信頼するルート証明書を読み取れます：{path}", "The trusted roots can be read: {path}")),
    "address": Topic(("接続先：{address}", "The door: {address}")),
    "no-proxy": Topic(
        (
            "プロキシは使用しません(PACファイルは参照しません)。",
            "No proxy is used (PAC files are not looked at).",
        )
    ),
    "proxy": Topic(("プロキシを使用します：{proxy}", "The proxy: {proxy}")),
    "name": Topic(("{host} の名前解決：{addresses}", "{host} resolves to {addresses}.")),
    "name-unknown": Topic(
        ("ホスト名が見つかりません：{host}", "There is no such host: {host}"),
        (
            "接続先(URL)またはプロキシの綴りを確認してください。正しければ、パソコンのDNS設定をご確認ください。",
            "Look at the spelling of the address or the proxy; if it is right, at the PC's DNS settings.",
        ),
    ),
    "name-server-silent": Topic(
        ("名前解決(DNS)の応答がありません：{host}", "The name server does not answer: {host}"),
        ("パソコンのネットワーク接続とDNS設定をご確認ください。", "Look at the PC's network connection and its DNS settings."),
    ),
    "connection": Topic(("{host} のポート {port} に接続できます。", "{host}, port {port}, takes connections.")),
    "connection-refused": Topic(
        ("{host} のポート {port} に接続できません({detail})。", "{host}, port {port}, can not be reached ({detail})."), _FIREWALL
    ),
    "connection-silent": Topic(
        ("{host} のポート {port} から応答がありません。", "{host}, port {port}, does not answer."), _FIREWALL
    ),
    "tls": Topic(
        ("{version} で接続し、接続先を信頼できました。", "{version}, and the door is trusted."),
    ),
    "tls-period": Topic(
        (
            "接続先の証明書({not_before} ～ {not_after})が、パソコンの時計({now})では有効期間外です。",
            "By this PC's clock ({now}) the door's certificate ({not_before} to {not_after}) is not in its period.",
        ),
        _CLOCK,
    ),
    "tls-other-name": Topic(
        (
            "接続先の証明書の名前が、指定した接続先と一致しません({detail})。",
            "The door's certificate is for another name ({detail}).",
        ),
        ("接続先(URL)の綴りをご確認ください。", "Look at the spelling of the address."),
    ),
    "tls-untrusted": Topic(
        (
            "接続先を信頼できません({detail})。提示された証明書の発行者：{issuer}",
            "The door is not trusted ({detail}). The issuer of the certificate that it shows: {issuer}",
        ),
        _INSPECTION,
    ),
    "tls-silent": Topic(("TLS接続の応答がありません。", "The TLS connection gets no answer."), _FIREWALL),
    "tls-broken": Topic(("TLS接続が途中で切断されました({detail})。", "The TLS connection was cut ({detail})."), _INSPECTION),
    "tls-failed": Topic(
        ("TLS接続に失敗しました({detail})。TLS 1.2以上が必要です。", "TLS failed ({detail}). TLS 1.2 or later is needed."),
        _INSPECTION,
    ),
    "clock": Topic(("パソコンの時計は合っています：{now}", "This PC's clock is right: {now}")),
    "clock-off": Topic(
        (
            "パソコンの時計({now})が接続先の時計({door_time})とずれています。",
            "This PC's clock ({now}) is not the door's ({door_time}).",
        ),
        _CLOCK,
    ),
    "door-answers": Topic(
        (
            "接続先は応答しています。証明書がないため、端末の状態は確認できません。",
            "The door answers; without a certificate it can not be asked.",
        )
    ),
    "certificate-lost": Topic(
        ("提示した証明書が接続先に届いていません。", "The certificate was shown, but did not reach the door."),
        (
            "通信を検査する装置(プロキシ等)がこの接続先を除外しているか、接続先(端末用ドア)が正しいかご確認ください。",
            "Does a proxy inspect TLS? It must leave this address alone. Is it the terminals door's address?",
        ),
    ),
    "certificate-declined": Topic(
        (
            "接続先がこの証明書での接続を拒否しました({detail})。",
            "The door declines a connection with this certificate ({detail}).",
        ),
        (
            "この端末で取得した証明書か、接続先が正しいかご確認ください。",
            "Is it the one that this terminal retrieved, and the right address?",
        ),
    ),
    "terminal": Topic(
        ("論理端末 {terminal}(事業所 {office_code})は利用中です。", "Terminal {terminal} of office {office_code} is in service.")
    ),
    "terminal-suspended": Topic(("論理端末 {terminal} は利用停止中です。", "Terminal {terminal} is suspended."), _CALL),
    "suspended-by-staff": Topic(
        ("論理端末 {terminal} は {since} から利用停止中です。", "Terminal {terminal} is suspended since {since}."), _CALL
    ),
    "suspended-by-rule-1": Topic(
        (
            "論理端末 {terminal} は {since} から利用停止中です(利用開始日から2か月以内に証明書が取得されませんでした)。",
            "Terminal {terminal} is suspended since {since}: no certificate was retrieved within 2 months of the start date.",
        ),
        _LIFTED,
    ),
    "suspended-by-rule-2": Topic(
        (
            "論理端末 {terminal} は {since} から利用停止中です(有効期限から2か月以内に証明書が更新されませんでした)。",
            "Terminal {terminal} is suspended since {since}: its certificate was not renewed within 2 months of its end.",
        ),
        _LIFTED,
    ),
    "suspended-by-rule-3": Topic(
        (
            "論理端末 {terminal} は {since} から利用停止中です(再発行から2か月以内に証明書が取得されませんでした)。",
            "Terminal {terminal} is suspended since {since}: the reissued certificate was not retrieved within 2 months.",
        ),
        _LIFTED,
    ),
    "certificate-held": Topic(
        ("論理端末 {terminal} の証明書は一時停止中です。", "The certificate of terminal {terminal} is on hold."), _CALL
    ),
    "renewal": Topic(
        (
            "更新期間：{first_day} ～ {last_day}。この端末は {suggested} 以降に更新します。",
            "The window for renewal: {first_day} to {last_day}; this terminal renews from {suggested} on.",
        )
    ),
    "renewal-open": Topic(
        (
            "更新期間です({last_day} まで)。{suggested} 以降に自動で更新されます。",
            "The window for renewal is open until {last_day}; from {suggested} on the timer renews.",
        )
    ),
    "renewal-due": Topic(("更新する時期です({last_day} まで)。", "It is time to renew (until {last_day})."), _TIMER),
    "renewal-urgent": Topic(
        (
            "証明書は {not_after} に切れますが、まだ更新されていません。",
            "The certificate ends at {not_after} and was not renewed.",
        ),
        _TIMER,
    ),
    "renewal-unfinished": Topic(("更新が途中で止まっています。", "A renewal was begun and not finished."), _RENEW),
    "renewal-barred": Topic(
        ("更新期間ですが、今は更新できません。", "The window is open, but nothing can be renewed now."), _CALL
    ),
    "renewal-blocked": Topic(
        ("再発行を受け付けているため、更新は行われません。", "A reissue was accepted, so nothing is renewed.")
    ),
    "no-reissue": Topic(("再発行の申込はありません。", "There is no reissue under way.")),
    "reissue-requested": Topic(
        (
            "再発行を申込中です({reason})。今の証明書は引き続き使用できます。",
            "A reissue was asked for ({reason}); this certificate serves on.",
        )
    ),
    "reissue-accepted": Topic(
        ("再発行を受け付けました({reason})。", "A reissue was accepted ({reason})."),
        (
            "ID通知内容の新しいコードで、新しいフォルダーに証明書を取得してください。",
            "Retrieve the new certificate into a new folder, with the new codes of the ID notice.",
        ),
    ),
    "logon": Topic(("論理端末 {terminal} はログオンできます。", "Terminal {terminal} may log on.")),
    "logon-untried": Topic(
        ("試していません。", "Not tried."),
        ("--access-key-file を指定すると確認できます。", "Give --access-key-file to have it tried."),
    ),
}
# Remedies of refusals that speak for themselves.
_REMEDIES: Mapping[str, tuple[str, str]] = {
    "A0036": (
        "パソコンに新しい証明書があればそちらを使用し、なければ再発行を申し込んでください。",
        "Use the newer certificate, if there is one on this PC; else apply for a reissue.",
    ),
    "certificate-foreign": (
        "この端末で取得した証明書を使用してください。",
        "Use the certificate that this terminal retrieved.",
    ),
    "not-found": (
        "端末用ドアのアドレスかご確認ください(取得用ドアとは異なります)。",
        "Is it the terminals door's address? The retrieval door's is another.",
    ),
    "certificate-unreadable": (
        "バックアップから戻すか、再発行を申し込んでください。",
        "Restore it from a backup, or apply for a reissue.",
    ),
    "trust-unreadable": (
        "--ca には、当センターのルート証明書(PEM)のファイルを指定してください。",
        "Give --ca the file of the center's root certificates (PEM).",
    ),
    "unreachable": _LATER,
    "unavailable": _LATER,
    "internal": _CALL,
    "terminal-abolished": _CALL,
}
_CHECKS: Mapping[Check, tuple[str, str]] = {
    Check.CERTIFICATE: ("証明書", "certificate"),
    Check.KEY: ("鍵", "key"),
    Check.PERIOD: ("有効期間", "period"),
    Check.TRUST: ("ルート証明書", "trust"),
    Check.ADDRESS: ("接続先", "address"),
    Check.PROXY: ("プロキシ", "proxy"),
    Check.NAME: ("名前解決", "name"),
    Check.CONNECTION: ("接続", "connection"),
    Check.TLS: ("TLS", "TLS"),
    Check.CLOCK: ("時計", "clock"),
    Check.TERMINAL: ("端末の状態", "terminal"),
    Check.RENEWAL: ("更新", "renewal"),
    Check.REISSUE: ("再発行", "reissue"),
    Check.LOGON: ("ログオン", "logon"),
}
_VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.GOOD: ("正常", "good"),
    Verdict.NOTICE: ("注意", "note"),
    Verdict.FAULT: ("異常", "FAULT"),
    Verdict.SKIPPED: ("－", "-"),
}


def cause(finding: Finding, language: Language) -> str:
    """Return what was found."""
    if finding.refusal is not None:
        return texts.line(finding.refusal, language)
    return _filled(TOPICS[finding.topic].cause, finding, language)


def remedy(finding: Finding, language: Language) -> str:
    """Return what to do about it, or nothing."""
    pair = _REMEDIES.get(finding.topic, _NOTHING) if finding.refusal else TOPICS[finding.topic].remedy
    return _filled(pair, finding, language)


def lines(finding: Finding, language: Language) -> list[str]:
    """Return a finding as one or two lines for a screen."""
    verdict, check = _chosen(_VERDICTS[finding.verdict], language), _chosen(_CHECKS[finding.check], language)
    says_it_itself = finding.refusal is not None and finding.refusal.code == finding.code
    code = f"{finding.code} " if finding.code and not says_it_itself else ""
    first = f"[{verdict}] {check}：" if language == "ja" else f"[{verdict}] {check}: "
    todo = remedy(finding, language)
    return [f"{first}{code}{cause(finding, language)}", *([f"    -> {todo}"] if todo else [])]


def summary(diagnosis: Diagnosis, language: Language) -> str:
    """Return a diagnosis as one line."""
    faults = [finding for finding in diagnosis.findings if finding.verdict is Verdict.FAULT]
    if not faults:
        return "異常はありません。" if language == "ja" else "Nothing is wrong."
    named = ", ".join(f"{_chosen(_CHECKS[finding.check], language)} ({finding.code})" for finding in faults)
    return f"異常があります：{named}" if language == "ja" else f"To be mended: {named}"


def _filled(pair: tuple[str, str], finding: Finding, language: Language) -> str:
    return _chosen(pair, language).format_map(_Facts(finding.facts))


def _chosen(pair: tuple[str, str], language: Language) -> str:
    return pair[0] if language == "ja" else pair[1]


class _Facts(dict[str, object]):
    """A finding's facts as people read them; a missing one is a dash."""

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        if isinstance(value, datetime):
            return texts.tokyo(value)
        if isinstance(value, date):
            return value.isoformat()
        return "-" if value is None else str(value)
