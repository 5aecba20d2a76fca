"""wandb and TensorBoard, when the recipe asks for them."""

import os
from collections.abc import Callable
from typing import Any

from accelerate import Accelerator

from simclr.errors import InputError
from simclr.recipe.schema import Recipe


def start_trackers(accelerator: Accelerator, recipe: Recipe) -> Callable[[dict[str, Any], int], None]:
    """Start the recipe's trackers through accelerate; the returned function logs the numbers of a step.

    Without an account wandb runs offline: ``wandb sync`` uploads later.

    Raises:
        InputError: TensorBoard is asked for but not installed.
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
    options: dict[str, Any] = {}
    if "wandb" in names:
        options["wandb"] = {"mode": os.environ.get("WANDB_MODE") or ("online" if _has_wandb_key() else "offline")}
        options["wandb"]["dir"] = accelerator.logging_dir
    accelerator.init_trackers(recipe.log.project, config={"seed": recipe.seed, **config}, init_kwargs=options)

    def log(numbers: dict[str, Any], step: int) -> None:
        accelerator.log({k: v for k, v in numbers.items() if k != "step"}, step=step)

    return log


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) else str(value)


def _has_wandb_key() -> bool:
    import wandb

    return bool(wandb.api.api_key)
