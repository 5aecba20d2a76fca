"""Short tables for the terminal."""

from pathlib import Path
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from augment.checks import counted

PHASE_WORDS = {
    "reading": "samples to the device",
    "augmentation": "drawing the views",
    "forward": "encoder and head",
    "loss": "NT-Xent, there and back",
    "backward": "encoder and head",
    "optimizer": "the update",
}


def print_summary(numbers: dict[str, Any], folder: Path) -> None:
    """The end of a run: what came out and where it lies."""
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    labels = {
        "steps": ("steps", "{:,}"),
        "samples_seen": ("samples seen", "{:,}"),
        "loss": ("loss", "{:.4f}"),
        "contrastive_accuracy": ("contrastive accuracy", "{:.3f}"),
        "rankme": ("RankMe of h", "{:.1f}"),
        "knn": ("online kNN accuracy", "{:.3f}"),
        "seconds": ("seconds", "{:,.0f}"),
    }
    for key, (label, form) in labels.items():
        if key in numbers:
            table.add_row(label, form.format(numbers[key]))
    table.add_row("encoder", str(folder / "encoder.safetensors"))
    Console().print(table)


def print_verification(result: dict[str, Any]) -> None:
    """What `simclr verify` measured, and what it means."""
    n = result["processes"]
    where = f"{n} process{'es' if n > 1 else ''} on {result['device']}"
    where += f" over {result['backend']}" if result["backend"] else ""
    table = Table(title=f"{where}, against one in float64", title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("relative error")
    table.add_column("measured", justify="right")
    table.add_column("tolerance", justify="right")
    table.add_column("")
    for check in result["checks"]:
        mark = "ok" if check["ok"] else "[bold red]FAILED[/bold red]"
        measured = "not a number" if check["error"] is None else f"{check['error']:.1e}"
        table.add_row(check["name"], measured, f"{check['tolerance']:.0e}", mark)
    console = Console()
    console.print(table)
    failed = sum(not check["ok"] for check in result["checks"])
    if failed:
        line = f"{failed} of {len(result['checks'])} checks failed: training on this machine would not be exact"
    elif n == 1:
        line = "one process is right; for two: accelerate launch --multi_gpu --num_processes 2 -m simclr verify"
    else:
        line = f"{n} processes give the loss and the gradients of one"
    console.print(line, soft_wrap=True, highlight=False)


def print_plan(numbers: dict[str, Any]) -> None:
    """What `simclr.plan.plan` found, in one table."""
    data, model, run, step, cost = (numbers[key] for key in ("data", "model", "run", "step", "cost"))
    device = numbers["device"]
    table = Table(show_header=False, box=None)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    bands = counted(data["bands"], "band")
    if data["encoder_bands"] != data["bands"]:
        bands += f" → {data['encoder_bands']}"
    where = "resident in memory" if data["resident"] else "streamed"
    table.add_row("data", f"{data['samples']:,} samples of {data['source']}, {bands}, {where}")
    table.add_row("views", f"{numbers['views']['count']} of each sample")
    for line in numbers["views"]["operations"]:
        table.add_row("", f"  {line}")
    table.add_row("encoder", f"{model['encoder']}, {model['encoder_parameters']:,} parameters")
    table.add_row("head", f"{model['head_parameters']:,} parameters")
    for line in model["optimizer"]:
        table.add_row("", f"  {line}")
    micro = f" in {run['micro_batches']} micro batches" if run["micro_batches"] > 1 else ""
    steps = f"{run['steps']:,} ({run['steps_per_epoch']:,} an epoch)"
    table.add_row("steps", f"{steps} of {run['batch_size']:,} images{micro}")
    table.add_row("learning rate", f"up to {run['peak_lr']:.4g} in {run['warmup_steps']:,} steps, then a cosine to 0")
    processes = f", {device['processes']} processes" if device["processes"] > 1 else ""
    threads = f", {counted(device['threads'], 'thread')}" if device["name"].startswith("cpu") else ""
    table.add_row("device", f"{device['name']}{processes}{threads}, {run['precision']}")
    rate = step["images_per_second"]
    speed = f"{rate:,.{0 if rate >= 10 else 2}f} images/s, mean of {step['timed']}"
    table.add_row("a step", f"{duration(step['seconds'])} ({speed})")
    for phase, milliseconds in step["phases_ms"].items():
        share = milliseconds / 10 / step["seconds"]
        table.add_row("", f"  {phase:12} {milliseconds:10,.1f} ms {share:6.1f} %  {PHASE_WORDS[phase]}")
    network = (step["phases_ms"]["forward"] + step["phases_ms"]["backward"]) / 10 / step["seconds"]
    table.add_row("", f"  the network takes {network:.1f} %, everything else {100 - network:.1f} %")
    table.add_row("the run", f"{duration(cost['seconds'])}, without checkpoints and the online probe")
    table.add_row("memory", f"{cost['memory_bytes'] / 2**30:.2f} GiB at the peak of these steps")
    state, disk = (cost[key] / 2**20 for key in ("run_state_bytes", "disk_bytes"))
    table.add_row("disk", f"{disk:,.1f} MiB at the end, a run state {state:,.1f} MiB")
    Console().print(table, highlight=False)


def duration(seconds: float) -> str:
    """Seconds as a person would say them: 0.35 s, 12 s, 4 min 10 s, 3 h 05 min, 2 days 4 h."""
    if seconds < 10:
        return f"{seconds:.2g} s" if seconds < 1 else f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 120:
        return f"{whole} s"
    if whole < 7200:
        return f"{whole // 60} min {whole % 60:02} s"
    minutes = round(seconds / 60)
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02} min"
    hours = round(seconds / 3600)
    return f"{hours // 24} days {hours % 24} h"
