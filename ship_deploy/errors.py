"""The one exception that a user can cause, and advice that several of them give."""


class UserError(ValueError):
    """Something that the caller can mend: one line that says what was wrong, where, what to do."""


class LastingError(UserError):
    """One after which nothing works in this process any more; a service has to start anew."""


def how_to_install(extra: str) -> str:
    """How to install an extra; from a clone, since the package is not on PyPI."""
    return f"pip install '.[{extra}]' in a clone of ship-deploy"
