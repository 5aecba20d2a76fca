"""The command line. It stands on top of the house and joins its rooms; torch is imported inside the commands."""

import signal
import sys
from collections.abc import Callable
from typing import Annotated, NoReturn

import typer

from simclr import __version__
from simclr.cli import distances, few_shot, judging, training
from simclr.cli.output import write_any_character
from simclr.cli.signals import INTERRUPTED, heard
from simclr.errors import DivergenceError, InputError, StoppedError
from simclr.files import explain
from simclr.launch import is_main_process, tell_launcher, wait_for_others_to_say

app = typer.Typer(
    name="simclr",
    epilog="simclr --debug COMMAND … shows the traceback of an error.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
# In the order in which they are met: what there is, what would happen, the long ones, what came out.
_COMMANDS: tuple[Callable[..., None], ...] = (
    training.recipes,
    training.views,
    training.plan,
    training.pretrain,
    training.fine_tune,
    judging.linear_eval,
    few_shot.few_shot,
    distances.distance,
    judging.report,
    judging.compare,
    training.verify,
    training.replay,
)
for command in _COMMANDS:
    app.command(command.__name__.replace("_", "-"))(command)


@app.callback(invoke_without_command=True)
def simclr(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
) -> None:
    """Pretrain an encoder with SimCLR, then find out honestly how good it is."""
    if version:
        typer.echo(f"simclr {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main() -> NoReturn:
    """Run a command; a mistake of the user becomes one line on stderr and exit status 2."""
    write_any_character()
    debug = "--debug" in sys.argv
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        with heard():
            code = app(standalone_mode=False)
    except Exception as error:
        if debug:
            raise
        status, message = _explain(error)
        wait_for_others_to_say(status == 2 or isinstance(error, DivergenceError), getattr(error, "sure", True))
        print(message, file=sys.stderr)
        tell_launcher(message)
        sys.exit(status)
    except StoppedError as error:
        if is_main_process():
            print(f"simclr: {error}", file=sys.stderr)
        sys.exit(error.status)
    if code == 128 + signal.SIGINT and is_main_process():
        print(INTERRUPTED, file=sys.stderr)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> tuple[int, str]:
    """Exit status and message."""
    if isinstance(error, InputError):
        return 2, f"simclr: {error}"
    if isinstance(error, DivergenceError):
        return 1, f"simclr: {error}"
    if isinstance(error, OSError) and (explained := explain(error)):
        return 2, f"simclr: {explained}"
    if hasattr(error, "format_message"):  # typer's complaint about an option or a command
        message = error.format_message()
        return 2, message if "\n" in message else f"simclr: {message[:1].lower()}{message[1:].rstrip('.')}; see --help"
    return 1, f"simclr: {type(error).__name__}: {' '.join(str(error).split())} (add --debug for the traceback)"
