"""What the operator can mend: told in a line or a few, without a traceback, with exit status 1."""


class Trouble(Exception):
    """Something is missing, taken or not as it must be. Each line of the text is a sentence that says what to do."""
