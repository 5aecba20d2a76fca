import pytest
import torch
from scipy import stats

from simclr.augment.addressed import Address, box_muller, permutation, philox4x32

ONES = 0xFFFFFFFF


def address(n, seed=0, epoch=0, view=0, start=0):
    ids = torch.arange(start, start + n)
    return Address(seed, epoch, ids, torch.full_like(ids, view))


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [
        ([0] * 4, (0, 0), [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
        ([ONES] * 4, (ONES, ONES), [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
        (
            [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
            (0xA4093822, 0x299F31D0),
            [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
        ),
    ],
)
def test_philox_gives_the_published_words(counter, key, expected):
    assert philox4x32(torch.tensor(counter), key).tolist() == expected
    assert philox4x32(torch.tensor([[counter], [counter]]), key).tolist() == [[expected], [expected]]


def test_philox_equals_plain_integer_arithmetic():
    def reference(counter, key):
        (a, b, c, d), (k, m) = counter, key
        for _ in range(10):
            x, y = a * 0xD2511F53, c * 0xCD9E8D57
            a, b, c, d = (y >> 32) ^ b ^ k, y & ONES, (x >> 32) ^ d ^ m, x & ONES
            k, m = (k + 0x9E3779B9) & ONES, (m + 0xBB67AE85) & ONES
        return [a, b, c, d]

    generator = torch.Generator().manual_seed(0)
    counters = torch.randint(0, 1 << 32, (50, 4), generator=generator)
    keys = torch.randint(0, 1 << 32, (50, 2), generator=generator)
    expected = [reference(c, k) for c, k in zip(counters.tolist(), keys.tolist())]
    assert philox4x32(counters, (keys[:, 0], keys[:, 1])).tolist() == expected


def test_uniform_does_not_depend_on_the_batch_or_the_number_drawn():
    whole = address(5000).uniform("crop", 24)
    assert torch.equal(whole[1234:1240], address(6, start=1234).uniform("crop", 24))
    assert torch.equal(whole[:, :7], address(5000).uniform("crop", 7))
    order = torch.randperm(5000, generator=torch.Generator().manual_seed(0))
    shuffled = Address(0, 0, order, torch.zeros_like(order)).uniform("crop", 24)
    assert torch.equal(shuffled, whole[order])


def test_drawing_operations_together_changes_no_number():
    a = address(33, seed=3, epoch=2, view=1)
    together = a.uniforms({"crop": 5, "flip": 1, "jitter": 8})
    assert all(torch.equal(u, a.uniform(name, u.shape[1])) for name, u in together.items())


@pytest.mark.parametrize(
    "other", [{"seed": 1}, {"epoch": 1}, {"view": 1}, {"start": 1 << 33}, {"start": 64}, {"operation": "flip"}]
)
def test_every_part_of_the_address_matters(other):
    name = other.pop("operation", "crop")
    u, v = address(64).uniform("crop", 40), address(64, **other).uniform(name, 40)
    assert (u == v).float().mean() < 1e-3
    assert abs(stats.pearsonr(u.flatten(), v.flatten())[0]) < 0.08  # 4 sd of 2560 pairs


def test_uniform_is_uniform_in_each_dimension():
    u = address(20000, seed=11).uniform("noise", 5).double()
    assert u.min() >= 0
    assert u.max() < 1
    assert all(stats.kstest(u[:, j].numpy(), "uniform").pvalue > 1e-3 for j in range(5))
    assert torch.equal(u * 2**24, (u * 2**24).round())
    assert torch.corrcoef(u.T).fill_diagonal_(0).abs().max() < 0.03


def test_normal_is_normal():
    n = address(20000, seed=5).normal("noise", 3)
    assert n.shape == (20000, 3)
    assert n.dtype == torch.float32
    assert all(stats.kstest(n[:, j].numpy(), "norm").pvalue > 1e-3 for j in range(3))
    assert torch.corrcoef(n.T.double()).fill_diagonal_(0).abs().max() < 0.03


def test_box_muller_is_finite_at_the_ends_and_wants_pairs():
    assert box_muller(torch.tensor([0.0, 1 - 2.0**-24, 0.0, 1 - 2.0**-24])).isfinite().all()
    with pytest.raises(ValueError, match="even number"):
        box_muller(torch.zeros(3))


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_permutation_is_one_and_is_pure(n):
    order = permutation(4, 9, n)
    assert torch.equal(order.sort().values, torch.arange(n))
    torch.rand(3)
    assert torch.equal(order, permutation(4, 9, n))


def test_permutations_of_epochs_and_seeds_are_unrelated():
    orders = torch.stack([permutation(s, e, 5000).double() for s, e in ((0, 0), (0, 1), (1, 0), (1, 1))])
    assert torch.corrcoef(orders).fill_diagonal_(0).abs().max() < 0.06
    first = torch.tensor([int(permutation(0, e, 5)[0]) for e in range(500)])
    assert stats.chisquare(torch.bincount(first, minlength=5).numpy()).pvalue > 1e-3


def test_bad_addresses_are_refused():
    with pytest.raises(ValueError, match="epoch is -1"):
        address(2, epoch=-1)
    with pytest.raises(ValueError, match="one length"):
        Address(0, 0, torch.arange(2), torch.arange(3))
