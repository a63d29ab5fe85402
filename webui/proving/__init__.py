"""The pages of proving who one is: the second step of a log-in, one's factors, one's log-ins. Both doors have them."""

from webui.proving import factor_pages, second_step, session_pages

BLUEPRINTS = (second_step.blueprint, factor_pages.blueprint, session_pages.blueprint)

__all__ = ["BLUEPRINTS"]
