"""What words the registry's mails, as the settings have it."""

from registry.letters import Letters
from server.settings import Settings


def letters_of(settings: Settings) -> Letters:
    """Return what words the registry's mails for a process that knows no accounts: only an office's contacts get them."""
    if settings.service_name is None:
        return Letters(settings.portal.url, help_desk=settings.help_desk)
    return Letters(settings.portal.url, settings.service_name, settings.service_name, settings.help_desk)
