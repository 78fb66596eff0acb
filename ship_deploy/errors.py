"""The one exception that a user can cause."""


class UserError(ValueError):
    """Something that the caller can mend: one line that says what was wrong, where, what to do."""
