from xml.etree import ElementTree

import numpy as np

from simclr.eval.report.figures import confusion_figure, efficiency_figure, embedding_figure, health_figure
from simclr.eval.report.material import HealthLine
from simclr.eval.results.record import Row

CLASSES = ["oats", "wheat & <corn>", "woods"]


def test_confusion_percentages_are_of_the_true_class():
    svg = ElementTree.fromstring(confusion_figure([[8, 1, 1], [0, 30, 10], [0, 0, 0]], CLASSES))
    texts = ["".join(t.itertext()) for t in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert {"80", "10", "75", "25"} <= set(texts)
    assert any("oats" in t for t in texts)


def test_figures_take_unusual_input():
    g = np.random.default_rng(0)
    for classes in (2, 30, 60):
        names = [f"class {i}" for i in range(classes)]
        assert confusion_figure(g.integers(0, 9, (classes, classes)), names).endswith("</svg>")
        assert embedding_figure(g.normal(size=(90, 2)), g.integers(0, classes, 90), names).endswith("</svg>")
    key = {"representation": "pretrained", "probe": "ridge", "split": "given", "shots": None, "metric": "oa"}
    rows = [Row(**key, labels=share, mean=0.5, sd=None, per_seed=(0.5,)) for share in (0.01, 0.1)]
    assert "share of the labels, %" in efficiency_figure(rows, "accuracy")
    assert "loss" in health_figure([HealthLine(step=0, loss=1.0), HealthLine(step=1, loss=float("nan"))])


def test_names_are_words_and_no_mathematics():
    assert r"$\bad$" in confusion_figure([[8, 1], [1, 3]], [r"$\bad$", "woods"])
