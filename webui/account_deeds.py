"""What is done to accounts at both doors, after a page that says what it means: by an office's managers, by staff."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from kernel.errors import Refused
from webui import guard
from webui.account_words import sentence_of
from webui.accounts import AccountState, Door, Person, User, UserLetters, Users
from webui.doorway import doorway
from webui.texts import mark

_OPEN = frozenset({AccountState.INVITED, AccountState.ACTIVE})
_DISABLED = frozenset({AccountState.DISABLED})


@dataclass(frozen=True)
class Deed:
    """A deed upon an account: what does it, in which states, and its words."""

    act: Callable[[Users, str, str, Person], object]
    states: frozenset[AccountState]
    title: str
    meaning: str
    done: str
    is_final: bool = False
    needs_lock: bool = False

    def is_possible(self, user: User) -> bool:
        """Tell whether there is something to do."""
        return user.state in self.states and (user.is_locked or not self.needs_lock)


DEEDS: Mapping[str, Deed] = {
    "link": Deed(
        Users.send_link,
        _OPEN,
        mark("パスワード設定のリンクを送る"),
        mark("登録されているメールアドレスへ、パスワードを設定するリンクを送ります。前に送ったリンクは使えなくなります。"),
        mark("リンクを送りました。"),
    ),
    "unlock": Deed(
        Users.unlock,
        _OPEN,
        mark("誤入力のロックを解除する"),
        mark("パスワードの誤入力によるロックを解除します。本人が誤ったことを確認してから解除してください。"),
        mark("ロックを解除しました。"),
        needs_lock=True,
    ),
    "disable": Deed(
        Users.disable,
        _OPEN,
        mark("利用を停止する"),
        mark("このユーザーはすぐにログアウトされ、再開するまでログインできません。"),
        mark("利用を停止しました。"),
    ),
    "enable": Deed(
        Users.enable,
        _DISABLED,
        mark("利用を再開する"),
        mark("このユーザーは、これまでのパスワードでログインできるようになります。"),
        mark("利用を再開しました。"),
    ),
    "remove": Deed(
        Users.remove,
        _OPEN | _DISABLED,
        mark("削除する"),
        mark("このユーザーはすぐにログアウトされ、二度とログインできません。同じユーザーIDは再び登録できません。"),
        mark("ユーザーを削除しました。"),
        is_final=True,
    ),
}


def users() -> Users:
    """Return the use cases of managing accounts."""
    parts = doorway().parts
    return Users(parts.database, parts.clock, UserLetters(parts.letters))


def barred(user: User) -> str:
    """Return why the visitor can do nothing to a user; empty when they can."""
    person = guard.person()
    if user.person.account_id == person.account_id:
        return sentence_of(Refused("user-self"))
    if person.door is Door.PORTAL and user.person.is_administrator and not person.is_administrator:
        return sentence_of(Refused("user-administrator"))
    return ""
