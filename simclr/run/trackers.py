"""wandb and TensorBoard, when the recipe asks for them."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from simclr.errors import InputError
from simclr.recipe.read import Experiment


def start_trackers(
    accelerator: Accelerator, recipe: Experiment, folder: Path, run_id: str, say: Callable[[str], None] = print
) -> Callable[[dict[str, Any], int], None]:
    """Start the recipe's trackers through accelerate; the returned function logs the numbers of a step.

    Without an account, and where wandb's server cannot be reached, wandb runs offline: ``wandb sync`` uploads later. A
    run that is resumed goes on in the same run of wandb.

    Args:
        accelerator: of the main process.
        recipe: of the run.
        folder: of the run; a tracker that does not start leaves nothing in it.
        run_id: of the run.
        say: prints a line for the user.

    Raises:
        InputError: a tracker is not installed, or wandb refuses to start.
    """
    names = recipe.log.trackers
    if not names:
        return lambda numbers, step: None
    # accelerate leaves out a tracker whose package is missing without a word.
    missing = {str(name) for name in names} - {str(getattr(t, "value", t)) for t in accelerator.log_with}
    if missing:
        raise InputError(f"log.trackers names {', '.join(sorted(missing))}, which is not installed: pip install it")
    sections = {k: v for k, v in recipe.model_dump().items() if isinstance(v, dict)}
    config = {f"{name}.{k}": _plain(v) for name, section in sections.items() for k, v in section.items()}

    def start(mode: str) -> None:
        wandb = {"mode": mode, "dir": str(folder), "id": run_id, "resume": "allow"}
        accelerator.init_trackers(
            recipe.log.project, config={"seed": recipe.seed, **config}, init_kwargs={"wandb": wandb}
        )

    if "wandb" in names:
        _start_wandb(start, accelerator, folder / "wandb", say)
    else:
        start("")

    def log(numbers: dict[str, Any], step: int) -> None:
        accelerator.log({k: v for k, v in numbers.items() if k != "step" and v is not None}, step=step)

    return log


def _start_wandb(
    start: Callable[[str], None], accelerator: Accelerator, folder: Path, say: Callable[[str], None]
) -> None:
    import wandb
    from wandb.errors import AuthenticationError, CommError

    asked = os.environ.get("WANDB_MODE")
    existed = folder.exists()
    try:
        try:
            start(asked or ("online" if _has_wandb_key() else "offline"))
        except CommError as error:
            accelerator.trackers.clear()
            if isinstance(error, AuthenticationError) or asked:
                raise
            wandb.teardown()  # what failed still holds the run's id
            say(f"wandb cannot be reached ({_first_line(error)}): it runs offline, and wandb sync uploads it later")
            start("offline")
    except Exception as error:  # wandb raises many kinds, of its own and of what it stands on
        accelerator.trackers.clear()  # what did not start cannot be finished
        if not existed:
            shutil.rmtree(folder, ignore_errors=True)
        raise InputError(
            f"log.trackers names wandb, which does not start: {_first_line(error)}; mend that (wandb login), set "
            f"WANDB_MODE=offline, or leave it out with log.trackers=[]"
        ) from None


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _has_wandb_key() -> bool:
    import wandb

    return bool(wandb.api.api_key)
