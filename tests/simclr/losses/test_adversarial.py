import copy

import pytest
import torch
from torch import nn
from torch.nn.functional import softplus

from simclr.errors import InputError
from simclr.losses.adversarial import Adversarial, generator_of
from simclr.losses.objectives import build_objective
from simclr.losses.term import Seen
from simclr.models.embedding import Embedded
from simclr.models.skip_generator import SkipGenerator

SHAPE = (2, 3, 3)
Y = torch.tensor([0, 1, 1])


def game(share=0.3, dtype=torch.float64):
    torch.manual_seed(0)
    generator = SkipGenerator(SHAPE[0], width=3, stages=2).to(dtype)
    term = Adversarial(generator.feature_dim, 2, input_shape=SHAPE, share=share, width=4).to(dtype)
    random = torch.Generator().manual_seed(1)
    x, u = (torch.randn(n, *SHAPE, generator=random, dtype=dtype) for n in (3, 5))
    return generator, term, Seen(x, generator, u)


def played(term, generator, seen):
    """Each player's own loss, in loops over samples."""
    of_generator, of_discriminator = [], []
    everything = torch.cat([seen.inputs, seen.unlabelled])
    for real, picture in zip(everything, generator.draw(everything)):
        fooled = softplus(-term.discriminator(picture[None])[0])
        of_generator.append((picture - real).abs().mean() + term.share * fooled)
        says_of = [term.discriminator(one.detach()[None])[0] for one in (real, picture)]
        of_discriminator.append(softplus(-says_of[0]) + softplus(says_of[1]))
    return sum(of_generator) / len(everything), sum(of_discriminator) / len(everything)


def test_one_backward_gives_each_player_the_gradient_of_its_own_loss():
    generator, term, seen = game()
    measured = term(generator(seen.inputs), Y, seen=seen)
    ours, theirs = played(term, generator, seen)
    torch.testing.assert_close(measured.loss, ours + theirs)
    players = list(generator.parameters()), list(term.parameters())
    together = torch.autograd.grad(measured.loss, [*players[0], *players[1]])
    alone = [*torch.autograd.grad(ours, players[0]), *torch.autograd.grad(theirs, players[1])]
    for found, expected in zip(together, alone, strict=True):
        torch.testing.assert_close(found, expected)
        assert found.abs().sum() > 0


def test_a_step_of_one_optimizer_is_the_simultaneous_step_of_two():
    generator, term, seen = game()
    copies = copy.deepcopy(generator), copy.deepcopy(term)
    one = torch.optim.AdamW([*generator.parameters(), *term.parameters()], lr=0.1)
    two = [torch.optim.AdamW(player.parameters(), lr=0.1) for player in copies]
    for _ in range(3):
        one.zero_grad()
        term(generator(seen.inputs), Y, seen=seen).loss.backward()
        one.step()

        losses = played(copies[1], copies[0], seen)
        gradients = [torch.autograd.grad(loss, list(player.parameters())) for loss, player in zip(losses, copies)]
        for optimizer, player, found in zip(two, copies, gradients):
            for parameter, gradient in zip(player.parameters(), found):
                parameter.grad = gradient
            optimizer.step()
    for ours, theirs in zip(
        [*generator.parameters(), *term.parameters()], [*copies[0].parameters(), *copies[1].parameters()]
    ):
        torch.testing.assert_close(ours, theirs)


def test_numbers_tell_how_the_game_stands():
    generator, term, seen = game(share=0)
    with torch.no_grad():
        for parameter in term.parameters():
            parameter.zero_()
        term.discriminator.last.bias += 1  # all of it looks real
    measured = term(generator(seen.inputs), Y, seen=seen)
    everything = torch.cat([seen.inputs, seen.unlabelled])
    distance = (generator.draw(everything) - everything).abs().mean()
    assert measured.metrics["told apart"].item() == 0.5
    assert measured.metrics["l1"].item() == pytest.approx(distance.item())
    game_alone = softplus(torch.tensor(-1.0)) + softplus(torch.tensor(1.0))
    assert measured.loss.item() == pytest.approx((distance + game_alone).item())


def test_half_precision_inputs_are_drawn_in_the_precision_of_the_weights():
    generator, term, seen = game(dtype=torch.float32)
    half = Seen(seen.inputs.bfloat16(), generator, seen.unlabelled.bfloat16())
    assert term(generator(seen.inputs), Y, seen=half).loss.dtype == torch.float32


def test_mistakes_are_named():
    generator, term, seen = game()
    h = generator(seen.inputs)
    assert generator_of(Embedded(generator, 4)) is generator
    with pytest.raises(ValueError, match=r"cannot draw its input again: set encoder\.name=skip_generator"):
        term(h, Y, seen=Seen(seen.inputs, nn.Identity(), seen.unlabelled))
    with pytest.raises(ValueError, match="no inputs without labels"):
        term(h, Y, seen=Seen(seen.inputs, generator))
    with pytest.raises(InputError, match=r"^objective\.adversarial\.share is -1, but must be a number of at least 0"):
        build_objective({"adversarial": {"share": -1}}, feature_dim=4, classes=2, input_shape=SHAPE)
    with pytest.raises(InputError, match=r"^objective\.adversarial\.input_shape is None, but"):
        build_objective({"adversarial": {}}, feature_dim=4, classes=2)
