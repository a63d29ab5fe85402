"""The smallest parts of pages, of which a page has hundreds: a tag, a day, an instant. `parts.html` has them, too."""

from datetime import date, datetime

from markupsafe import Markup, escape

from webui.texts import show_day, show_instant

_NONE = Markup("—")


def tag(text: str, tone: str = "plain") -> Markup:
    """Return a word in a coloured frame."""
    return Markup(f'<span class="tag {escape(tone)}">{escape(text)}</span>')  # noqa: S704 (escaped)


def time(instant: datetime | None) -> Markup:
    """Return an instant in Tokyo's time, a dash for none."""
    if instant is None:
        return _NONE
    return Markup(f'<time datetime="{instant.isoformat()}">{show_instant(instant)}</time>')  # noqa: S704 (digits)


def day(value: date | None) -> Markup:
    """Return a day, a dash for none."""
    if value is None:
        return _NONE
    return Markup(f'<time datetime="{value.isoformat()}">{show_day(value)}</time>')  # noqa: S704 (digits)
