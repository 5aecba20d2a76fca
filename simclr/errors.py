"""The one exception that means "the user gave something wrong": shown as a single line, exit status 2."""


class InputError(ValueError):
    """A mistake in what the user gave: what was given, what is allowed, what to do, in one line."""


class DivergenceError(RuntimeError):
    """The loss became NaN or infinite: at which step, why most likely, and where to go on from."""
