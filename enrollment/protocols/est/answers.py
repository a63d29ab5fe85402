"""How EST tells what went wrong: an HTTP status (RFC 7030 §4.2.3) and a sentence as plain text that says what to do."""

from collections.abc import Mapping

from enrollment.protocols.problems import Problem, tell

REALM = "tegata"
# Where the sentence of the REST interface would not help, or the status would not fit.
ANSWERS: Mapping[str, Problem] = {
    "credentials-missing": Problem(
        401,
        "HTTP Basic認証が必要です。"
        "ユーザー名は端末アクセスキー、パスワードは「認証コード1-認証コード2-認証コード3-事業所コード」です。",
        "HTTP Basic is needed: the user is the access key, the password CODE1-CODE2-CODE3-OFFICE.",
    ),
    "input-invalid": Problem(
        401,
        "ユーザー名は端末アクセスキー、パスワードは「認証コード1-認証コード2-認証コード3-事業所コード」の形で送信してください。",
        "Send the access key as the user and CODE1-CODE2-CODE3-OFFICE as the password.",
    ),
    "body-malformed": Problem(
        400,
        "本文はPKCS#10(DER)をbase64にしたものを送信してください。例: openssl req -new -key key.pem -outform DER | base64",
        "The body must be a PKCS#10 request in DER, in base64: openssl req -new -key key.pem -outform DER | base64",
    ),
    "csr-malformed": Problem(
        400,
        "証明書署名要求(CSR)を読み取れません。PKCS#10(DER)をbase64にして送信してください。",
        "The certification request can not be read. Send PKCS#10 in DER, in base64.",
    ),
    "media-type": Problem(
        415, "Content-Typeはapplication/pkcs10としてください。", "The Content-Type must be application/pkcs10."
    ),
    "operation-unknown": Problem(
        404,
        "このESTの操作はありません。cacerts、csrattrs、simpleenroll、simplereenrollをご使用ください。",
        "There is no such EST operation. Use cacerts, csrattrs, simpleenroll or simplereenroll.",
    ),
    "operation-elsewhere": Problem(
        404,
        "simplereenrollは、クライアント証明書で接続する端末用の窓口(terminals)で受け付けます。",
        "simplereenroll is served at the terminals door, which asks for the client certificate.",
    ),
    "operation-not-offered": Problem(
        501,
        "この操作は提供していません。鍵は端末で作成し、simpleenrollをご使用ください。",
        "This operation is not offered here. Make the key at the terminal and use simpleenroll.",
    ),
    "encryption-not-offered": Problem(
        400,
        "秘密鍵の追加暗号化には対応していません。該当する属性をCSRから除いてください。",
        "The made key is not encrypted once more: leave these attributes out of the request.",
    ),
    "method-not-allowed": Problem(405, "この操作ではこのメソッドは使用できません。", "The method is not one of this operation."),
}


def answer(code: str, facts: Mapping[str, object] | None = None) -> Problem:
    """Return the status of a refusal and its sentences, filled in."""
    return ANSWERS.get(code) or tell(code, facts)
