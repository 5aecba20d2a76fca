"""A subject on every process of a launch: the main one judges, the others extract features with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

from simclr.encoder_file import load_encoder
from simclr.eval.subject.crew import Crew
from simclr.eval.subject.opened import OpenedSubject, data_section, open_subject
from simclr.launch import is_main_process, launched_processes
from simclr.recipe.encoder_path import FEATURES
from simclr.train.distributed import start_accelerator

PATIENCE = timedelta(days=30)
"""So long the others wait for the next extraction, while the main process fits probes."""


@contextmanager
def opened_everywhere(
    path: Path, overrides: Sequence[str], output: Path | None, keep_features: bool
) -> Iterator[OpenedSubject | None]:
    """As :func:`simclr.eval.subject.opened.open_subject`, on all processes of the launch, if there are several.

    Yields:
        The subject, whose features all processes extract; on the others None, once the main process is done.

    Raises:
        InputError: as there, or processes that do not see each other; what one process finds ends all.
    """
    if launched_processes() == 1 or path.suffix in FEATURES:  # of features in files there is nothing to extract
        mine = is_main_process()
        yield open_subject(path, overrides, output=output, keep_features=keep_features) if mine else None
        return
    accelerator = start_accelerator(patience=PATIENCE)
    fetches = data_section(load_encoder(path), overrides).fetches
    with accelerator.main_process_first() if fetches else nullcontext():
        where = accelerator.device
        opened = open_subject(path, overrides, output=output, keep_features=keep_features, device=where)
    data, encoder = opened.subject.data, opened.subject.encoder
    assert encoder is not None  # it was loaded
    crew = Crew(encoder, data.parts(), accelerator.process_index, accelerator.num_processes, accelerator.device)
    if not accelerator.is_main_process:
        crew.serve()
        yield None
        return
    opened.subject.cache.extract = crew.extract
    try:
        yield opened
    finally:
        crew.let_go()
