import time

from simclr.eval.probes.learner_pace import pace_of
from simclr.eval.probes.learners import learner_of
from simclr.eval.subject.features import fingerprint
from tests.eval.probes.test_tuned_objective import lesson


def test_the_pace_is_that_of_the_learners_own_steps():
    given = lesson()
    before = fingerprint(given.encoder)
    pace = pace_of(learner_of("triplet", {"steps": 30}), given)
    assert pace is not None
    assert pace.steps == 30
    assert fingerprint(given.encoder) == before
    started = time.perf_counter()
    learner_of("triplet", {"steps": 30})(lesson())
    assert pace.steps * pace.seconds < 3 * (time.perf_counter() - started)


def test_what_draws_no_batches_has_no_pace():
    assert pace_of(lambda given: None, lesson()) is None
    assert pace_of(learner_of("softmax"), lesson(known=(0,))) is None
