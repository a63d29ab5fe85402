"""Forms that were sent after their session had ended: what was typed survives the log-in.

Nothing is stored. The texts travel in hidden fields of our own pages, through the log-in, to a page whose button sends
them to where they belonged. Only forms of ours are kept (`csrf`), never a password, and never the press of a button that
confirms a deed: whoever logs in sees the confirmation anew.
"""

import flask

from webui.csrf import FIELD

Pairs = tuple[tuple[str, str], ...]

_PREFIX = "kept."
_BUTTONS = frozenset({"step", "then"})
# What proves who somebody is: it counts once and is never sent back to the browser.
PROOFS = frozenset({"factor_code", "factor_answer"})


def sent() -> Pairs:
    """Return what the present form holds that is worth keeping, by field."""
    return tuple(
        (name, value)
        for name, value in flask.request.form.items(multi=True)
        if name != FIELD and name not in _BUTTONS | PROOFS and "password" not in name
    )


def whole() -> Pairs:
    """Return all that the present form holds, by field, the press of its button too: for a question that comes between.

    Unlike `sent` this is for a visit that goes on, whose person has just seen what the button says.
    """
    return tuple(
        (name, value)
        for name, value in flask.request.form.items(multi=True)
        if name != FIELD and name not in PROOFS and "password" not in name and not name.startswith(_PREFIX)
    )


def carried() -> Pairs:
    """Return what the present log-in form carries from an earlier one."""
    return tuple(
        (name.removeprefix(_PREFIX), value)
        for name, value in flask.request.form.items(multi=True)
        if name.startswith(_PREFIX) and name != _PREFIX + FIELD
    )


def hidden(pairs: Pairs) -> Pairs:
    """Return the hidden fields that carry a form through the log-in page."""
    return tuple((_PREFIX + name, value) for name, value in pairs)
