"""What ends a command with a single line: a mistake of the user, a run that diverged, a signal."""


class InputError(ValueError):
    """A mistake in what the user gave: what was given, what is allowed, what to do, in one line; exit status 2."""


class DivergenceError(RuntimeError):
    """The loss became NaN or infinite: at which step, why most likely, and where to go on from.

    Attributes:
        sure: whether this process has seen the cause; else another one of the launch may know better.
    """

    def __init__(self, message: str, sure: bool = True) -> None:
        super().__init__(message)
        self.sure = sure


class StoppedError(BaseException):
    """A signal ended the command: what was saved until then. No ``except Exception`` takes it for a fault.

    Attributes:
        status: exit status by which shells tell the signal, 128 and its number.
    """

    def __init__(self, message: str, signal: int) -> None:
        super().__init__(message)
        self.status = 128 + signal
