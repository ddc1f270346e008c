"""The one root of what can go wrong for a user's reason.

Each family has an exit code, each class a stable code. A message says what is wrong in the user's
words, `where` names the place, `hint` says what to do next. What is not a LaststageError is a bug
and reaches the top as a traceback. Families: LS1xx usage, LS2xx build, LS3xx packages and trust,
LS5xx store, LS6xx the machine, LS7xx planning.
"""


class LaststageError(Exception):
    """Something that a person can act on."""

    code = "LS000"
    exit_code = 1

    def __init__(self, message: str, *, where: str = "", hint: str = "", excerpt: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.where = where
        self.hint = hint
        self.excerpt = excerpt

    def __reduce__(self) -> tuple[object, ...]:
        return _restore, (type(self), self.message, self.where, self.hint, self.excerpt)


def _restore(
    kind: type[LaststageError], message: str, where: str, hint: str, excerpt: str
) -> LaststageError:
    return kind(message, where=where, hint=hint, excerpt=excerpt)


class UsageError(LaststageError):
    """A flag, setting or name that cannot be used as given."""

    code = "LS100"
    exit_code = 2


class BuildError(LaststageError):
    """A step of the user's build failed."""

    code = "LS200"


class IntegrityError(LaststageError):
    """Bytes are not the bytes that they claim to be."""

    code = "LS300"


class NetworkError(LaststageError):
    """Something could not be fetched, and trying again did not help."""

    code = "LS310"


class StoreError(LaststageError):
    """The store cannot be read or written."""

    code = "LS500"


class MachineError(LaststageError):
    """The machine lacks something that the work needs."""

    code = "LS600"


class PlanError(LaststageError):
    """An app from which no plan can be made."""

    code = "LS700"
