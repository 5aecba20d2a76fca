"""Split files and result files that were edited or damaged."""

import json

import pytest
import torch
from sklearn.datasets import load_digits

from simclr.eval.few_shot import few_shot
from simclr.eval.linear_eval import linear_eval
from simclr.eval.results.chosen import choose
from simclr.eval.results.compare import compare
from simclr.eval.results.result_file import read_result
from simclr.eval.splits.split import k_shot
from simclr.eval.splits.split_file import read_split, write_split

X, Y = load_digits(return_X_y=True)
LABELS = torch.as_tensor(Y[:400])
NAMES = [str(k) for k in range(10)]


@pytest.fixture(scope="module")
def split_text(tmp_path_factory):
    file = tmp_path_factory.mktemp("split") / "s.json"
    write_split(file, k_shot(LABELS, 3, 0), LABELS, NAMES, "digits")
    return file.read_text()


@pytest.fixture(scope="module")
def results():
    asked = {"shots": [3], "seeds": [0, 1], "probes": ["ridge"]}
    return [
        linear_eval(X[:400], Y[:400], **asked),
        few_shot(X[:400], Y[:400], shots=[3], seeds=[0, 1], episodes=0),
    ]


def mutated(odd, text):
    if odd.random.random() < 0.6:
        return odd.json(odd.tree(json.loads(text)))
    return odd.bytes(text.encode()).decode("latin-1")


def test_split_files(fuzz, split_text, tmp_path):
    def make(odd):
        file = tmp_path / "s.json"
        text = mutated(odd, split_text)
        file.write_text(text, encoding=odd.random.choice(("utf-8", "utf-16", "latin-1")), errors="replace")
        return text, lambda: read_split(file, LABELS, NAMES)

    fuzz(250, make)


def test_result_files(fuzz, results, tmp_path):
    texts = [json.dumps(result) for result in results]
    good = tmp_path / "good.json"

    def make(odd):
        which = odd.random.randrange(2)
        good.write_text(texts[which])
        file = tmp_path / "r.json"
        text = mutated(odd, texts[which])
        file.write_text(text, encoding="utf-8", errors="replace")

        def call():
            first, second = read_result(good), read_result(file)
            choose(compare([first, second], ["a", "b"]), probe=None, split=None, shots=None, metric=None)

        return text, call

    fuzz(250, make)


def test_words_for_splits(fuzz):
    words = ("random", "block", "kept", "a.json", "a.mat+b.mat", "a+b+c", "block:3", "random,block", "", "+", ".", "\0")

    def make(odd):
        word = odd.random.choice(words) if odd.random.random() < 0.5 else str(odd.value())
        asked = {
            "shots": [odd.value()] if odd.random.random() < 0.3 else [3],
            "seeds": [0],
            "probes": ["ridge"],
            "splits": [word],
        }
        return str(asked), lambda: linear_eval(X[:200], Y[:200], **asked)

    fuzz(60, make)
