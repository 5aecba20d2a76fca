"""The loop of fine-tuning, from top to bottom: supervised training of an encoder under a metric objective."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from torch import Tensor

from simclr.build import tuned_architecture
from simclr.data import Source, batches
from simclr.data.feed import named, skipped
from simclr.encoder_file import save_encoder
from simclr.encoder_metadata import EncoderMetadata
from simclr.launch import unused_settings
from simclr.models.prototypes import Prototyped
from simclr.recipe.tuning import TuningRecipe
from simclr.run.begin import Begun, begin_run
from simclr.run.metadata import check_storable, describe_run
from simclr.run.metrics_file import MetricsFile
from simclr.run.resume import check_steps_left
from simclr.run.run_folder import open_run_folder
from simclr.run.start import all_seen, check_apart, check_start
from simclr.run.states import (
    RunStates,
    check_room,
    numbers_if_finished,
    state_to_go_on_from,
    states_kept,
    steps_between_states,
)
from simclr.run.stopping import Stopping
from simclr.run.terminal import Progress
from simclr.train.distributed import any_process, of_batch, on_main_first, prepare, start_accelerator
from simclr.train.divergence import Cause, Left, explain_divergence
from simclr.train.health import rankme
from simclr.train.memory import memory_explained
from simclr.train.nonfinite import NonFinite
from simclr.train.optimizer import parameter_table
from simclr.train.schedule import warmup_cosine
from simclr.train.tuned import Tuned
from simclr.train.tuning_step import TuningStep, TuningTaken
from simclr.tuning_setup import set_up_tuning
from simclr.views.drawn_views import choose_samples, look_at_views
from simclr.views.held_out import HeldOutProbe, watch_held_out
from simclr.views.likeness_picture import draw_prototypes
from simclr.views.picture import draw_views


def fine_tune(
    recipe: TuningRecipe,
    output: Path,
    *,
    resume: bool | Path = False,
    overwrite: bool = False,
    changes: Sequence[str] = (),
    probe: HeldOutProbe | None = None,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Train an encoder on labels under an objective, and leave a run folder that explains itself.

    Args:
        recipe: what to do.
        output: the run folder: recipe.yaml, metrics.jsonl, views.png, checkpoints/, encoder.safetensors and .json. The
            encoder file embeds with the embedding layer, and names the samples whose labels were looked at. With a
            target that has statistics of its own, encoder-target.safetensors embeds that.
        resume: go on from the newest whole run state in ``output``, or from the beginning if the run there has none
            yet; or the file of one of its run states, after which all is done again.
        overwrite: start anew even if ``output`` holds a run.
        changes: keys of the recipe that may differ from the run's on resume, such as ``train.epochs``.
        probe: judge of the labels that are held out (``monitor.held_out``).
        say: prints a line for the user.

    Returns:
        The last numbers of the run, as in the encoder's metadata, and the ``seconds`` that the loop took.

    Raises:
        InputError: something in the recipe, the data, the labels or the launch is wrong, or the folder cannot be
            written.
        DivergenceError: the loss became NaN or infinite.
        StoppedError: Ctrl-C or SIGTERM; the step was finished, and its run state written.
    """
    check_apart(recipe, output)
    train, checkpoints = recipe.train, output / "checkpoints"
    accelerator = start_accelerator(train.precision, recipe.log.trackers, output)
    device, main = accelerator.device, accelerator.is_main_process
    with ExitStack() as stack:
        stack.callback(accelerator.end_training)
        opening = open_run_folder(output, recipe, resume=bool(resume), overwrite=overwrite, changes=changes)
        folder = on_main_first(accelerator, lambda: stack.enter_context(opening))

        state = state_to_go_on_from(accelerator, checkpoints, resume, say)
        if resume is True and (ended := numbers_if_finished(accelerator, output, recipe, state, say)):
            return {**ended, "seconds": 0.0}

        # What there is to learn from, what learns, and from where it goes on.
        setup = set_up_tuning(recipe, accelerator)
        start, inputs, target, chosen, targets, model, optimizer, course, unlabelled, learned = setup
        source, preprocess = inputs.source, inputs.preprocess
        encoder, parts = model.encoder, list(model.children())
        watch = watch_held_out(probe, inputs, chosen, device) if main else None
        order, total_steps, warmup_steps, peak_lr = course
        save_every = steps_between_states(train, order.steps_per_epoch, total_steps)

        def describe(steps: int, numbers: dict[str, Any], monitor_ids: list[int]) -> EncoderMetadata:
            numbers = {**numbers, "samples_seen": steps * order.batch_size}
            described = describe_run(recipe, source, preprocess, encoder, steps, numbers, monitor_ids)
            labels = {
                "ids": chosen.ids.tolist(),
                "classes": chosen.classes,
                "unknown": chosen.unknown,
                "rule": chosen.rule,
            }
            return described.with_entries(
                encoder={**tuned_architecture(recipe, preprocess), **model.architecture},
                labels=labels,
                target=None if target is None else {"name": target.name, "samples": len(target)},
                **model.entries(chosen.classes),
                started_from=None if start is None else {"file": str(start.file), "sha256": start.digest},
            )

        def begin() -> Begun:
            """On the main process, with all that can be refused: from here on, the folder changes."""
            assert folder is not None
            room = check_room(checkpoints, model, train, states_kept(train, total_steps, save_every))
            check_steps_left(state["step"], total_steps, changes)
            check_start(start, source, output, state)
            check_storable(describe(total_steps, {}, []))
            begun = begin_run(folder, recipe, source, state, accelerator, say, (model, optimizer), target)
            started_from = {} if start is None else {"start": start.digest}
            return begun._replace(remembered={**begun.remembered, **started_from}, notes=[room] if room else [])

        begun = on_main_first(accelerator, begin)
        stopping = stack.enter_context(Stopping(checkpoints, speaks=main))
        distributed, optimizer = prepare(accelerator, model, optimizer, state)
        one_step = TuningStep(accelerator, model, distributed, optimizer, source, targets, inputs.augment)

        metrics = stack.enter_context(MetricsFile(output / "metrics.jsonl", state["step"], enabled=main))
        moving = Progress(total_steps, state["step"], order.batch_size, enabled=main, what="fine-tuning")
        progress = stack.enter_context(moving)
        if begun:
            n, k = len(chosen.ids), len(chosen.classes)
            said = f"{n:,} of {len(source):,} samples of {source.name}, {k} classes ({chosen.rule})"
            say(f"{said}, processes: {accelerator.num_processes}")
            say(f"  from {start.file if start else 'random weights'}, {device.type}, {train.precision}")
            for name, few in (("unknown", chosen.unknown), ("fewer samples than asked for", chosen.few)):
                if few:
                    say(f"  {name}: {', '.join(few[:8])}{', …' if len(few) > 8 else ''}")
            if recipe.monitor.held_out and not len(chosen.held_out):
                say("monitor.held_out holds nothing out: no class has two labels")
            for note in [*source.notes, *inputs.notes, *course.notes]:
                say(note)
            if unlabelled:
                say(f"  {unlabelled.describe()}")
            added = " + ".join(f"{weight:g} {name}" for name, weight in model.objective.weights.items())
            described = [*inputs.describe(), f"objective: {added}; {course.describe()}"]
            for line in [*described, *parameter_table(parts, train.optimizer, train.weight_decay)]:
                say(f"  {line}")
            for line in [*unused_settings(train.precision), *begun.notes, *([metrics.note] if metrics.note else [])]:
                say(line)
            looked_at = look_at_views(inputs, choose_samples(recipe.seed, len(source), samples=6), 0, device)
            draw_views(looked_at, output / "views.png")

        numbers: dict[str, Any] = metrics.last
        nonfinite = NonFinite(model, train.skip_nonfinite, state, accelerator.scaler is not None)
        states = stack.enter_context(RunStates(accelerator, model, optimizer, source, begun, checkpoints, train))
        started = time.perf_counter()
        model.train()

        # The whole run at once, unless the model acts between epochs.
        for first, stop_at in course.spans(state["step"], model.acts_between_epochs):
            if first % order.steps_per_epoch == 0:
                model.begin_epoch(order.epoch(first), learned)
            course = course._replace(order=model.order_of(order))
            for note in model.notes():
                if main:
                    say(f"  {note}")
            labelled = batches(source, course.order, first, stop_at, device, recipe.data.workers)
            others = unlabelled.views(first, stop_at) if unlabelled else repeat(None)
            for (step, ids, batch), u in zip(labelled, others):
                epoch, lr = order.epoch(step), warmup_cosine(step, total_steps, warmup_steps, peak_lr)
                nonfinite.begin_step()
                with memory_explained(len(ids), None, "train.batch_size"):
                    taken = one_step.gradients(batch, ids, u, step, course)  # views, e, objective, and backward
                loss, e, value = taken.loss, taken.e, taken.value
                numbers = {"step": step, "epoch": epoch, "loss": loss, "lr": lr}
                if skipped_over := nonfinite.passes_over(step, loss):
                    numbers |= {"loss": None, "skipped": nonfinite.in_a_row}
                elif nonfinite.too_many or not math.isfinite(loss):
                    updated, last_lr = step - nonfinite.updated, optimizer.param_groups[0]["lr"]
                    why = _explain(taken, ids, source, model, updated, last_lr)
                    raise states.diverged(step, loss, why, nonfinite.before(step))
                else:
                    one_step.update(lr)

                done = step + 1
                if begun:
                    begun.keep()
                if (done % recipe.monitor.every == 0 or done == total_steps) and not skipped_over:
                    terms = value.terms if len(value.terms) > 1 else {}
                    looked = {name: float(number) for name, number in {**terms, **value.metrics}.items()}
                    embedded = of_batch(accelerator, e)
                    numbers |= {"rankme": rankme(embedded)} if embedded.isfinite().all() else {}
                    numbers |= {k: v for k, v in looked.items() if math.isfinite(v)}
                    numbers |= watch.look(encoder) if watch else {}
                due = done % save_every == 0 or done == total_steps
                # Before the run state: a line too many is dropped on resume, one too few would be missing for ever.
                metrics.write({**numbers, "seconds": round(time.perf_counter() - started, 3)})
                late, stop = any_process(accelerator, states.is_late, stopping.signal > 0)
                if due or late or stop:
                    explain = partial(_explain, taken, ids, source, model, step, lr)
                    states.save(done, loss, explain, nonfinite.state, wait=stop or done == total_steps)
                progress.advance(numbers)
                if begun:
                    begun.log(numbers, step)
                if stop and done < total_steps:
                    raise stopping.stop()

        model.finish(learned)
        if passed_over := nonfinite.describe():
            numbers |= {"skipped_steps": nonfinite.steps}
            if main:
                say(passed_over)
        if begun:
            for note in model.notes():
                say(f"  {note}")
            adapted_to = None if target is None else target.sample_hashes()
            seen = all_seen(begun.saw or source.sample_hashes(), start, adapted_to)
            metadata = describe(total_steps, numbers, seen.monitor_ids)
            if unlabelled and recipe.own_statistics:
                of_target, file = unlabelled.inputs.preprocess, output / "encoder-target.safetensors"
                save_encoder(file, encoder, of_target, metadata, saw=seen.samples)
            if isinstance(encoder, Prototyped):
                draw_prototypes(encoder.eval(), learned.inputs, preprocess, chosen.classes, output / "prototypes.png")
            # Last: where it lies, the run is finished.
            save_encoder(output / "encoder.safetensors", encoder, preprocess, metadata, saw=seen.samples)
            numbers = dict(metadata.numbers)
            if source.damaged:
                say(skipped(source.damaged))
        return {**numbers, "seconds": time.perf_counter() - started}


def _explain(taken: TuningTaken, ids: Tensor, source: Source, model: Tuned, updated: int, lr: float) -> Cause:
    """Why a step that was taken went wrong, most likely, given the step of the last update and its learning rate."""
    left = Left(taken.x[None], taken.e[None], taken.loss, updated, lr, lambda at: named(source, ids[at].cpu()))
    return explain_divergence(model, left)
