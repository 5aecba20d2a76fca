"""The loop of fine-tuning, from top to bottom: supervised training of an encoder under a metric objective."""

import math
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, nullcontext
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Any

from simclr.build import build_tuned, optimizer_of, tuned_architecture
from simclr.data import Source, batches
from simclr.data.chosen_labels import ChosenLabels, choose_labels
from simclr.data.feed import in_place_of_damaged, skipped
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
from simclr.run.start import all_seen, check_apart, check_start, load_start
from simclr.run.states import RunStates, check_room, state_to_go_on_from
from simclr.run.stopping import Stopping
from simclr.run.terminal import Progress
from simclr.train.course import set_tuning_course
from simclr.train.distributed import any_process, of_batch, on_main_first, prepare, start_accelerator
from simclr.train.health import explain_divergence, rankme
from simclr.train.memory import memory_explained
from simclr.train.nonfinite import NonFinite
from simclr.train.optimizer import parameter_table, set_lr
from simclr.train.schedule import warmup_cosine
from simclr.train.tuned import Learned, try_objective
from simclr.views.drawn_views import choose_samples, look_at_views
from simclr.views.held_out import HeldOutProbe, watch_held_out
from simclr.views.inputs import build_tuning_inputs
from simclr.views.likeness_picture import draw_prototypes
from simclr.views.picture import draw_views
from simclr.views.unlabelled import Share, build_unlabelled, open_target


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

        # What there is to learn from: samples, their labels, and in which order.
        start = load_start(recipe)
        with accelerator.main_process_first() if recipe.fetches else nullcontext():
            inputs = build_tuning_inputs(recipe, device, start.encoder.preprocess if start else None)
            target = open_target(recipe, device)
        source, preprocess = inputs.source, inputs.preprocess
        chosen = _labels(recipe, source)
        targets = chosen.targets.to(device)
        rank, world_size = accelerator.process_index, accelerator.num_processes

        # What learns, and from where it goes on.
        model = build_tuned(recipe, start, inputs, len(chosen.classes), device)
        encoder, parts = model.encoder, list(model.children())
        watch = watch_held_out(probe, inputs, chosen, device) if main else None
        course = set_tuning_course(train, chosen.targets, model.objective.wants_pairs, recipe.seed, rank, world_size)
        order, total_steps, warmup_steps, peak_lr = course
        share = Share(order.batch_size, rank, world_size)
        unlabelled = build_unlabelled(recipe, inputs, target, model.needs, share)
        try_objective(model, targets[order.at(0)], inputs.view_shape, unlabelled and unlabelled.of_process)
        learned = Learned(
            ids=(targets >= 0).nonzero()[:, 0],
            targets=targets,
            inputs=lambda ids: inputs.embed(inputs.plain[ids].to(device)),
            epochs=-(-total_steps // order.steps_per_epoch),
        )
        optimizer = optimizer_of(parts, train, peak_lr, device, world_size)
        save_every = train.checkpoint_every or max(order.steps_per_epoch, total_steps // 10)
        state = state_to_go_on_from(accelerator, checkpoints, resume, say)

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
            check_room(checkpoints, model, train)
            check_steps_left(state["step"], total_steps, changes)
            check_start(start, source, output, state)
            check_storable(describe(total_steps, {}, []))
            begun = begin_run(folder, recipe, source, state, accelerator, say, target)
            started_from = {} if start is None else {"start": start.digest}
            return begun._replace(remembered={**begun.remembered, **started_from})

        begun = on_main_first(accelerator, begin)
        stopping = stack.enter_context(Stopping(checkpoints, speaks=main))
        distributed, optimizer = prepare(accelerator, model, optimizer, state)

        metrics = stack.enter_context(MetricsFile(output / "metrics.jsonl", state["step"], enabled=main))
        moving = Progress(total_steps, state["step"], order.batch_size, enabled=main, what="fine-tuning")
        progress = stack.enter_context(moving)
        if main:
            n, k = len(chosen.ids), len(chosen.classes)
            said = f"{n:,} of {len(source):,} samples of {source.name}, {k} classes ({chosen.rule})"
            say(f"{said}, processes: {world_size}")
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
            for line in [*unused_settings(train.precision), *([metrics.note] if metrics.note else [])]:
                say(line)
            looked_at = look_at_views(inputs, choose_samples(recipe.seed, len(source), samples=6), 0, device)
            draw_views(looked_at, output / "views.png")

        numbers: dict[str, Any] = metrics.last
        nonfinite = NonFinite(model, train.skip_nonfinite, state.get("skipped", 0))
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
                held, batch = in_place_of_damaged(source, ids, batch, targets)
                x = inputs.augment(batch, course.address(ids, step, len(source)), step)[0]  # (b, C, h, w)
                # Embeddings (b, dim), and the objective of the global batch.
                with memory_explained(len(ids), None, "train.batch_size"):
                    e, value = distributed(x, targets[held], ids, u)
                    accelerator.backward(value.total)
                loss = value.total.item()
                numbers = {"step": step, "epoch": epoch, "loss": loss, "lr": lr}
                if skipped_over := nonfinite.passes_over(loss):
                    numbers |= {"loss": None, "skipped": nonfinite.in_a_row}
                elif not math.isfinite(loss):
                    why = explain_divergence(x[None], e[None], model, optimizer.param_groups[0]["lr"])
                    raise states.diverged(step, loss, why)
                else:
                    set_lr(optimizer, lr)
                    for parameter in model.resting():
                        parameter.grad = None
                    optimizer.step()
                optimizer.zero_grad()

                done = step + 1
                if begun:
                    begun.keep()
                if (done % recipe.monitor.every == 0 or done == total_steps) and not skipped_over:
                    terms = value.terms if len(value.terms) > 1 else {}
                    looked = {name: float(number) for name, number in {**terms, **value.metrics}.items()}
                    numbers |= {
                        "rankme": rankme(of_batch(accelerator, e)),
                        **{k: v for k, v in looked.items() if math.isfinite(v)},
                    }
                    numbers |= watch.look(encoder) if watch else {}
                due = done % save_every == 0 or done == total_steps
                # Before the run state: a line too many is dropped on resume, one too few would be missing for ever.
                metrics.write({**numbers, "seconds": round(time.perf_counter() - started, 3)})
                late, stop = any_process(accelerator, states.is_late, stopping.signal > 0)
                if due or late or stop:
                    explain = partial(explain_divergence, x[None], e[None], model, lr)
                    states.save(done, loss, explain, {"skipped": nonfinite.in_a_row}, wait=stop or done == total_steps)
                progress.advance(numbers)
                if begun:
                    begun.log(numbers, step)
                if stop and done < total_steps:
                    raise stopping.stop()

        model.finish(learned)
        if begun:
            for note in model.notes():
                say(f"  {note}")
            adapted_to = None if target is None else target.sample_hashes()
            seen = all_seen(begun.saw or source.sample_hashes(), start, adapted_to)
            metadata = describe(total_steps, numbers, seen.monitor_ids)
            save_encoder(output / "encoder.safetensors", encoder, preprocess, metadata, saw=seen.samples)
            if unlabelled and recipe.own_statistics:
                of_target, file = unlabelled.inputs.preprocess, output / "encoder-target.safetensors"
                save_encoder(file, encoder, of_target, metadata, saw=seen.samples)
            if isinstance(encoder, Prototyped):
                draw_prototypes(encoder.eval(), learned.inputs, preprocess, chosen.classes, output / "prototypes.png")
            numbers = dict(metadata.numbers)
            if source.damaged:
                say(skipped(source.damaged))
        return {**numbers, "seconds": time.perf_counter() - started}


def _labels(recipe: TuningRecipe, source: Source) -> ChosenLabels:
    """The labels that are looked at."""
    asked, held_out = recipe.labels, recipe.monitor.held_out
    seed = recipe.seed if asked.seed is None else asked.seed
    unknown = [*asked.unknown, *recipe.data.unknown]
    return choose_labels(source, shots=asked.shots, share=asked.share, unknown=unknown, held_out=held_out, seed=seed)
