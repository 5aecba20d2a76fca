import pytest
import torch

from simclr.data.chosen_labels import choose_labels
from simclr.data.source import TensorSource
from simclr.errors import InputError

LABELS = torch.tensor([0, 1, 2, -1, 3] * 20 + [3])
SOURCE = TensorSource(torch.zeros(101, 1, 2, 2), LABELS, name="made", class_names=["ant", "bee", "7", "cat"])


def counts(chosen):
    return LABELS[chosen.ids].bincount(minlength=4).tolist()


def test_all_labels_are_those_that_there_are():
    chosen = choose_labels(SOURCE)
    assert chosen.ids.tolist() == (LABELS >= 0).nonzero()[:, 0].tolist()
    assert torch.equal(chosen.targets, LABELS)
    assert (chosen.classes, chosen.unknown, chosen.few) == (("ant", "bee", "7", "cat"), (), ())


def test_shots_and_shares_are_of_each_class():
    assert counts(choose_labels(SOURCE, shots=3)) == [3, 3, 3, 3]
    assert counts(choose_labels(SOURCE, share=0.1)) == [2, 2, 2, 2]
    assert counts(choose_labels(SOURCE, share=0.001)) == [1, 1, 1, 1]
    many = choose_labels(SOURCE, shots=21)
    assert counts(many) == [20, 20, 20, 21]
    assert many.few == ("ant", "bee", "7")


def test_the_rule_says_what_was_done_and_not_what_was_asked_for():
    def rule(**asked):
        return choose_labels(SOURCE, **asked).rule

    assert rule() == rule(share=1.0) == rule(shots=22) == rule(shots=21) == "all labels"
    assert rule(shots=3, seed=4) == "3 of each class, drawn by seed 4"
    assert rule(share=0.125) == "12.5 % of each class, drawn by seed 0"
    # Of cat there are 21, of the others 20.
    assert rule(shots=20) == "20 of each class, drawn by seed 0"
    labels = torch.tensor([0, 0, 0, 1])
    uneven = TensorSource(torch.zeros(4, 1, 2, 2), labels, class_names=["a", "b"])
    assert choose_labels(uneven, shots=2).rule == "2 of each class, or all where there are fewer, drawn by seed 0"
    assert rule(unknown=["cat"]) == "all labels"  # of the classes that are learned
    assert rule(held_out=0.1) == "all labels; 10 % of them are held out"


def test_a_share_of_each_class_is_held_out_of_those_that_are_looked_at():
    whole, part = choose_labels(SOURCE, shots=10), choose_labels(SOURCE, shots=10, held_out=0.3)
    assert torch.equal(part.ids, whole.ids)
    assert LABELS[part.held_out].bincount().tolist() == [3, 3, 3, 3]
    learned = (part.targets >= 0).nonzero()[:, 0]
    assert sorted(learned.tolist() + part.held_out.tolist()) == part.ids.tolist()
    assert torch.equal(part.targets[learned], LABELS[learned])
    assert torch.equal(part.held_out_targets, LABELS[part.held_out])
    unknown = choose_labels(SOURCE, unknown=["ant"], held_out=0.5)
    assert unknown.held_out_targets.tolist() == (LABELS[unknown.held_out] - 1).tolist()
    # At least one, and never all.
    assert LABELS[choose_labels(SOURCE, shots=2, held_out=0.01).held_out].bincount().tolist() == [1, 1, 1, 1]
    assert len(choose_labels(SOURCE, shots=1, held_out=0.5).held_out) == 0
    assert len(whole.held_out) == 0


def test_a_draw_depends_on_its_seed_and_grows_with_the_shots():
    few, more = (set(choose_labels(SOURCE, shots=shots, seed=1).ids.tolist()) for shots in (3, 8))
    assert few < more
    assert few == set(choose_labels(SOURCE, shots=3, seed=1).ids.tolist())
    assert few != set(choose_labels(SOURCE, shots=3, seed=2).ids.tolist())


def test_nothing_of_unknown_classes_is_taken():
    chosen = choose_labels(SOURCE, unknown=[7, "ant"], shots=5)
    assert counts(chosen) == [0, 5, 0, 5]
    assert (chosen.classes, chosen.unknown) == (("bee", "cat"), ("ant", "7"))
    assert chosen.targets[chosen.ids].tolist() == [int(LABELS[i] == 3) for i in chosen.ids]
    assert int((chosen.targets >= 0).sum()) == 10


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"unknown": ["beee"]}, "labels.unknown names beee, which is no class of made: did you mean bee?"),
        ({"unknown": [40]}, "labels.unknown names 40, which is no class of made: it has ant, bee, 7, cat"),
        ({"unknown": ["ant", "bee", 7]}, "made has 1 class to learn: fine-tuning takes 2 or more"),
    ],
)
def test_what_cannot_be_chosen_is_said(asked, message):
    with pytest.raises(InputError) as caught:
        choose_labels(SOURCE, **asked)
    assert str(caught.value) == message


def test_labels_have_to_be_there():
    with pytest.raises(InputError, match="bare has no labels to learn from"):
        choose_labels(TensorSource(torch.zeros(3, 1, 2, 2), name="bare"))
