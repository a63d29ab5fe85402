"""Refusals in the form of RFC 9457 problem details: a status, a stable code, a Japanese and an English sentence.

Nothing of what was sent is repeated in an answer: it may be a secret.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask, Response, current_app, json
from flask.json.provider import DefaultJSONProvider
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from kernel.errors import Refused, Unavailable

MEDIA_TYPE = "application/problem+json"


@dataclass(frozen=True)
class Problem:
    """How one kind of refusal is told. `{name}` in a sentence is a fact of the refusal."""

    status: int
    japanese: str
    english: str


PROBLEMS: Mapping[str, Problem] = {
    "request-malformed": Problem(
        400,
        "リクエストの形式が正しくありません。項目名と値の型を確認してください。",
        "The request is malformed. Check the names and types of its fields.",
    ),
    "terminal-name-invalid": Problem(
        400,
        "論理端末名は数字5桁と英字1文字(大文字)で入力してください。",
        "A terminal's name is five digits and a capital letter.",
    ),
    "input-invalid": Problem(400, "入力項目 {field} が空か、長すぎます。", "The input {field} is empty or too long."),
    "codes-wrong": Problem(
        401,
        "端末アクセスキー、認証コード、事業所コードのいずれかが正しくありません。ID通知内容をご確認ください。",
        "One of access key, authentication codes and office code is wrong. Compare them with the ID notice.",
    ),
    "throttled": Problem(
        429,
        "誤った入力が続いたため、しばらく受け付けられません。{retry_after}秒後にもう一度お試しください。",
        "Too many wrong tries. Try again in {retry_after} seconds.",
    ),
    "codes-spent": Problem(
        409,
        "このコードは別の鍵で使用済みです。パソコンを入れ替えた場合は再発行を申し込んでください。",
        "These codes were used with another key. If the PC was changed, apply for a reissue.",
    ),
    "codes-frozen": Problem(
        403,
        "このコードは事業所または当センターにより凍結されています。ヘルプデスクへご連絡ください。",
        "These codes were frozen by the office or by us. Call the help desk.",
    ),
    "codes-expired": Problem(
        403,
        "このコードの有効期限が切れています。再発行を申し込んでください。",
        "These codes have expired. Apply for a reissue.",
    ),
    "codes-replaced": Problem(
        403,
        "このコードは新しいコードに置き換えられました。最新のID通知内容をご確認ください。",
        "These codes were replaced by new ones. Open the newest ID notice.",
    ),
    "terminal-suspended": Problem(
        403,
        "この端末は{since_ja}利用停止中です{cause_ja}。ヘルプデスクへご連絡ください。",
        "The terminal is suspended{since_en}{cause_en}. Call the help desk.",
    ),
    "terminal-abolished": Problem(403, "この端末は廃止されました。", "The terminal was abolished."),
    "certificate-revoked": Problem(
        403,
        "このコードで取得した証明書は失効しています。再発行を申し込んでください。",
        "The certificate that these codes retrieved was revoked. Apply for a reissue.",
    ),
    "certificate-held": Problem(
        403, "証明書は一時停止中です。ヘルプデスクへご連絡ください。", "The certificate is on hold. Call the help desk."
    ),
    "certificate-foreign": Problem(
        403,
        "提示された証明書は、当認証局が端末に発行したものではありません。",
        "The certificate that was presented is none that we issued to a terminal.",
    ),
    "certificate-not-current": Problem(
        403,
        "この端末の現在の証明書ではありません。パソコンに残っている古い証明書をご確認ください。",
        "This is not the terminal's current certificate. Look for an old one on the PC.",
    ),
    "renewal-too-early": Problem(
        403,
        "まだ更新できません。更新できる期間は{first_day}から{last_day}までです。",
        "It is too early to renew: this is possible from {first_day} to {last_day} (days in Japan).",
    ),
    "renewal-too-late": Problem(
        403,
        "更新できる期間({first_day}から{last_day}まで)が過ぎています。再発行を申し込んでください。",
        "Renewal was possible from {first_day} to {last_day} (days in Japan). Apply for a reissue.",
    ),
    "renewal-pointless": Problem(
        403,
        "更新しても有効期限({last_day})は変わらないため、更新の必要はありません。",
        "A renewed certificate would end on the same day ({last_day}): there is no need to renew.",
    ),
    "renewal-spent": Problem(
        409,
        "この証明書は別の鍵で更新済み、または更新中です。先に更新に使った鍵で操作するか、再発行を申し込んでください。",
        "This certificate was renewed, or is being renewed, with another key. Use that key, or apply for a reissue.",
    ),
    "reissue-pending": Problem(
        409,
        "再発行を受け付けているため、更新できません。再発行の証明書を取得してください。",
        "A reissue was accepted, so nothing can be renewed. Retrieve the reissued certificate.",
    ),
    "reissue-open": Problem(
        409, "この端末の再発行はすでに受け付けています。", "A reissue of this terminal is under way already."
    ),
    "start-date-too-far": Problem(
        403,
        "利用開始日がまだ先のため、今は取得できません。",
        "The start date is too far ahead for a certificate made today.",
    ),
    "csr-malformed": Problem(
        422,
        "証明書署名要求(CSR)を読み取れません。PKCS#10のPEM形式で送信してください。",
        "The certification request can not be read. Send PKCS#10 as PEM.",
    ),
    "csr-signature": Problem(
        422,
        "CSRの署名が鍵と一致しません。鍵を作り直してください。",
        "The request's signature does not fit its key. Make a new key and request.",
    ),
    "key-unsupported": Problem(
        422,
        "この種類の鍵は使用できません。ECDSA P-256またはP-384、RSA 2048～4096、Ed25519をご使用ください。",
        "Keys of this kind are not accepted. Use ECDSA P-256 or P-384, RSA 2048 to 4096, or Ed25519.",
    ),
    "key-weak": Problem(
        422,
        "この鍵は安全ではありません({weakness})。新しい鍵を作成してください。",
        "The key is weak ({weakness}). Make a new one.",
    ),
    "key-too-short-for-period": Problem(
        422,
        "RSA {bits}ビットの鍵は{last_year}年を超える証明書には使用できません。RSA 3072ビット以上またはECDSAをご使用ください。",
        "An RSA key of {bits} bits may not be certified beyond {last_year}. Use RSA-3072 or more, or ECDSA.",
    ),
    "key-used": Problem(
        422,
        "この鍵は別の証明書で使用されています。端末ごとに新しい鍵を作成してください。",
        "The key is in another certificate. Make a new key for each terminal.",
    ),
    "key-blocked": Problem(
        422,
        "この鍵は漏えいしたため使用できません。新しい鍵を作成してください。",
        "The key was compromised and may not be used any more. Make a new one.",
    ),
    "certificate-unreadable": Problem(
        403, "提示された証明書を読み取れません。", "The certificate that was presented can not be read."
    ),
    "E103": Problem(403, "クライアント証明書が提示されていません。", "No client certificate was presented."),
    "E104": Problem(
        403,
        "証明書の有効期限が切れています。再発行を申し込んでください。",
        "The certificate has expired. Apply for a reissue.",
    ),
    "A0006": Problem(
        403,
        "利用開始日({start_date})前です。当日0時(日本時間)からログオンできます。",
        "Before the start date ({start_date}). Logon is possible from 00:00 Japan time of that day.",
    ),
    "A0010": Problem(403, "利用が終了した端末です。", "The terminal's service has ended."),
    "A0014": Problem(
        403,
        "{since_ja}利用停止中のためログオンできません{cause_ja}。ヘルプデスクへご連絡ください。",
        "The terminal is suspended{since_en}{cause_en}. Call the help desk.",
    ),
    "A0018": Problem(403, "端末アクセスキーが正しくありません。", "The access key is wrong."),
    "A0019": Problem(
        403,
        "論理端末名が登録されていないか、証明書の端末名と一致しません。",
        "The terminal name is unknown or not the one in the certificate.",
    ),
    "A0035": Problem(
        403,
        "証明書の発行元が登録されている認証局と異なります。",
        "The certificate was not issued by the authority that is registered for the terminal.",
    ),
    "A0036": Problem(
        403,
        "現在有効な証明書ではありません({detail})。パソコンに残っている古い証明書をご確認ください。",
        "This is not the terminal's current certificate ({detail}). Look for an old one on the PC.",
    ),
    "not-found": Problem(404, "このアドレスはありません。", "There is nothing at this address."),
    "method-not-allowed": Problem(405, "このメソッドは使用できません。", "The method is not allowed here."),
    "not-acceptable": Problem(
        406,
        "Acceptヘッダーで指定された形式では応答できません。application/jsonを含めてください。",
        "No answer can be had in a form that the Accept header names. Let it include application/json.",
    ),
    "too-large": Problem(413, "リクエストが大きすぎます。", "The request is too large."),
    "media-type": Problem(415, "Content-Typeはapplication/jsonにしてください。", "The content type must be application/json."),
    "unavailable": Problem(
        503,
        "ただいま処理できません。しばらくしてから同じ操作をもう一度行ってください。コードは失われていません。",
        "Not possible right now. Do the same again a little later; the codes are not lost.",
    ),
    "internal": Problem(
        500,
        "内部エラーが発生しました。同じ操作をもう一度行っても安全です。",
        "An internal error occurred. It is safe to do the same again.",
    ),
}
# Domain rules, "Suspension": the three that act by themselves.
_RULES: Mapping[object, tuple[str, str]] = {
    1: (
        "(利用開始日から2か月以内に証明書が取得されなかったため)",
        ": no certificate was retrieved within two months of the start date",
    ),
    2: (
        "(有効期限から2か月以内に証明書が更新されなかったため)",
        ": its certificate was not renewed within two months of its end",
    ),
    3: ("(再発行から2か月間、証明書の取得なし)", ": not retrieved within two months of the reissue"),
}
_REFUSED = Problem(403, "この操作は受け付けられません。", "This is not possible.")
_BY_STATUS = {
    400: "request-malformed",
    404: "not-found",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "too-large",
    415: "media-type",
}


class ProblemBody(BaseModel):
    """RFC 9457's problem details; `code` is stable, the titles are for people."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: str = Field(pattern="^urn:tegata:problem:")
    title: str = Field(description="Japanese")
    title_en: str = Field(description="English")
    status: int
    code: str


def register(app: Flask) -> None:
    """Make an application answer every failure as a problem."""
    app.json = _Readable(app)
    app.register_error_handler(Refused, _refused)
    app.register_error_handler(Unavailable, _unavailable)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(Exception, _unexpected)


def problem(code: str, facts: Mapping[str, object] | None = None) -> Response:
    """Return the response for a code."""
    told = tell(code, facts)
    body = ProblemBody(
        type=f"urn:tegata:problem:{code}", title=told.japanese, title_en=told.english, status=told.status, code=code
    )
    response = Response(json.dumps(body.model_dump()), status=told.status, mimetype=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    if told.status == 401:  # noqa: PLR2004 (RFC 9110 §11.6.1: a 401 names its scheme)
        response.headers["WWW-Authenticate"] = 'TegataCodes realm="retrieval"'
    if facts and "retry_after" in facts:
        response.headers["Retry-After"] = str(facts["retry_after"])
    return response


def tell(code: str, facts: Mapping[str, object] | None = None) -> Problem:
    """Return the problem of a code with its sentences filled in."""
    told = PROBLEMS.get(code, _REFUSED)
    shown = _Facts({name: value for name, value in (facts or {}).items() if isinstance(value, str | int)})
    shown |= _suspension(shown)
    return Problem(told.status, told.japanese.format_map(shown), told.english.format_map(shown))


def _suspension(facts: Mapping[str, object]) -> dict[str, object]:
    """Return since when and by which rule a terminal is suspended, in words; nothing where that is not known."""
    since, (cause_ja, cause_en) = facts.get("since"), _RULES.get(facts.get("rule"), ("", ""))
    return {
        "since_ja": f"{since}から" if since else "",
        "since_en": f" (since {since})" if since else "",
        "cause_ja": cause_ja,
        "cause_en": cause_en,
    }


class _Readable(DefaultJSONProvider):
    """JSON whose Japanese can be read in a terminal (RFC 8259 §8.1: UTF-8)."""

    ensure_ascii = False


class _Facts(dict[str, object]):
    """A sentence's facts; one that a refusal does not carry is shown as a dash rather than breaking the answer."""

    def __missing__(self, _key: str) -> str:
        return "-"


def _refused(refusal: Refused) -> Response:
    current_app.logger.info("refused %s", refusal.code)
    return problem(refusal.code, refusal.facts)


def _unavailable(trouble: Unavailable) -> Response:
    current_app.logger.warning("unavailable: %s", trouble)
    return problem("unavailable", {"retry_after": trouble.retry_after})


def _http(error: HTTPException) -> Response:
    status = error.code or 500
    response = problem(_BY_STATUS.get(status) or ("request-malformed" if status < 500 else "internal"))  # noqa: PLR2004
    if isinstance(error, MethodNotAllowed) and error.valid_methods:
        response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # RFC 9110 §15.5.6
    return response


def _unexpected(error: Exception) -> Response:
    current_app.logger.error("internal error", exc_info=error)
    return problem("internal")
