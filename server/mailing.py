"""What words the registry's mails, as the settings have it."""

from registry.letters import Letters
from server.settings import Settings
from webui.accounts import contact_of


def letters_of(settings: Settings) -> Letters:
    """Return what words the registry's mails."""
    if settings.service_name is None:
        return Letters(settings.portal.url, help_desk=settings.help_desk, correspondent=contact_of)
    return Letters(settings.portal.url, settings.service_name, settings.service_name, settings.help_desk, contact_of)
