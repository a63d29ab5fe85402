"""What a refusal says to the reader: one sentence and one HTTP status per stable code. Doors add their own."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus

from kernel.errors import Refused
from webui.texts import mark, say


@dataclass(frozen=True)
class Sentence:
    """A refusal's text (facts as `%(name)s`) and the status of a page that shows nothing else."""

    text: str
    status: HTTPStatus = HTTPStatus.CONFLICT


SHARED: Mapping[str, Sentence] = {
    "login-failed": Sentence(mark("ログインできませんでした。入力した内容を確認してください。"), HTTPStatus.UNPROCESSABLE_ENTITY),
    "throttled": Sentence(
        mark("誤りが続いたため、しばらくの間受け付けません。%(minutes)s分ほど待ってから、もう一度お試しください。"),
        HTTPStatus.TOO_MANY_REQUESTS,
    ),
    "password-wrong": Sentence(mark("現在のパスワードが違います。")),
    "password-same": Sentence(mark("現在と異なるパスワードを入力してください。")),
    "password-too-short": Sentence(mark("パスワードは%(shortest)s文字以上にしてください。")),
    "password-too-long": Sentence(mark("パスワードは%(longest)s文字以下にしてください。")),
    "password-holds-login": Sentence(mark("ユーザーIDを含まないパスワードにしてください。")),
    "password-too-simple": Sentence(mark("同じ文字の繰り返しが多すぎます。別のパスワードにしてください。")),
    "password-too-common": Sentence(
        mark("推測されやすいパスワードです。よく使われる言葉、並んだキー、数字、ご自身や事業所の名前だけのものは使えません。")
    ),
    "password-differs": Sentence(mark("確認用のパスワードが一致しません。")),
    "factor-wrong": Sentence(
        mark("確認コードが違います。アプリに表示されている最新のコードを入力してください。一度使ったコードは使えません。")
    ),
    "factor-none": Sentence(mark("二段階認証は設定されていません。"), HTTPStatus.NOT_FOUND),
    "factor-last": Sentence(mark("職員には二段階認証が必要です。ほかの方法を登録してから削除してください。")),
    "passkey-refused": Sentence(mark("このパスキーは確認できませんでした。もう一度試すか、ほかの方法を使ってください。")),
    "passkey-late": Sentence(mark("パスキーの確認に時間がかかりました。もう一度操作してください。")),
    "passkey-most": Sentence(mark("パスキーは%(most)s個まで登録できます。使わないものを削除してください。")),
    "reason-malformed": Sentence(mark("理由を%(most)s文字以内で入力してください。")),
    "required": Sentence(mark("入力してください。")),
}

UNKNOWN = Sentence(mark("この操作は受け付けられませんでした(%(code)s)。画面を開き直して、現在の状態を確認してください。"))


def sentence_of(sentences: Mapping[str, Sentence], refused: Refused) -> str:
    """Return a refusal in the reader's language; a code without a sentence is named, never swallowed."""
    sentence = sentences.get(refused.code)
    if sentence is None:
        return say(UNKNOWN.text, code=refused.code)
    facts = dict(refused.facts)
    if isinstance(facts.get("retry_after"), int):
        facts["minutes"] = -(-int(str(facts["retry_after"])) // 60)
    return say(sentence.text, **facts)


def status_of(sentences: Mapping[str, Sentence], refused: Refused) -> HTTPStatus:
    """Return the status of a page that shows nothing but this refusal."""
    return sentences.get(refused.code, UNKNOWN).status
