import pytest
import torch
from sklearn.decomposition import PCA

from simclr.data.fitting import fit_preprocess
from simclr.data.source import TensorSource
from simclr.encoder_file import FrozenEncoder
from simclr.eval.subject.baselines import unlabelled_ids
from simclr.eval.subject.representations import representations
from simclr.eval.subject.subject import subject_of
from simclr.models.encoder import random_encoder


@pytest.mark.parametrize("labelled", [2, 9, 3000])
def test_components_are_those_of_the_training_inputs_however_few_have_a_label(labelled):
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (3000, 1, 4, 4), dtype=torch.uint8, generator=generator)
    labels = torch.full((3000,), -1)
    chosen = torch.randperm(3000, generator=generator)[:labelled]
    # Of the two labelled samples none is among those that components are fitted on.
    chosen = chosen if labelled > 2 else torch.nonzero(~torch.isin(torch.arange(3000), fitted(images))).flatten()[:2]
    labels[chosen] = torch.arange(labelled) % 2
    source = TensorSource(images, labels)
    options = {"name": "resnet8", "in_chans": 1, "width": 4, "stem": "small"}
    network = random_encoder(9, **options)
    encoder = FrozenEncoder(network, fit_preprocess(source), {"encoder": options, "feature_dim": network.feature_dim})
    ids = chosen.sort().values
    found = {r.name: r.features for r in representations(subject_of(encoder, source), ids, [], lambda *_: None)}
    flat = images.flatten(1) / 255.0
    expected = PCA(16, svd_solver="full").fit(flat[fitted(images)].double().numpy()).transform(flat[ids].numpy())
    assert found["pca"].shape == (labelled, 16)
    torch.testing.assert_close(found["pca"].abs(), torch.from_numpy(expected).float().abs(), atol=1e-3, rtol=0)


def fitted(images):
    return unlabelled_ids(TensorSource(images))
