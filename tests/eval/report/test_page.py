import base64
import io
import json
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from simclr.data.fitting import fit_preprocess
from simclr.data.images.digits import load_digits
from simclr.encoder_file import load_encoder, save_encoder
from simclr.encoder_metadata import EncoderMetadata
from simclr.errors import InputError
from simclr.eval.report.embedding import choose_for_map
from simclr.eval.report.gather import gather
from simclr.eval.report.material import Embedding, HealthLine, Material
from simclr.eval.report.page import report_html
from simclr.eval.report.prose import findings
from simclr.eval.report_command import run_report
from simclr.eval.results.record import Result
from simclr.eval.results.result_file import write_result
from simclr.eval.subject.features import fingerprint
from simclr.models.encoder import random_encoder

CLASSES = ["oats", "wheat & <corn>", "woods"]
METRIC_LINES = [
    {"step": i, "loss": 5.0 - i / 500, "seconds": i / 10, **({"rankme": 90.0, "knn": 0.5} if i % 100 == 0 else {})}
    for i in range(1_000)
]


def result(sha="abc"):
    kinds = [(split, shots) for split in ("random", "block") for shots in (5, 20)]
    g = np.random.default_rng(0)
    rows = [
        {
            "representation": r,
            "probe": p,
            "split": split,
            "shots": shots,
            "labels": None,
            "metric": metric,
            "per_seed": (values := g.uniform(0.2, 0.9, 3).tolist()),
            "mean": float(np.mean(values)),
            "sd": float(np.std(values, ddof=1)),
        }
        for split, shots in kinds
        for r in ("pretrained", "random")
        for p in ("logistic", "knn")
        for metric in ("oa", "aa")
    ]
    key = {"probe": "logistic", "metric": "oa", "labels": None}
    return {
        "protocol": "simclr-linear-eval/2 split=random,block",
        "rows": rows,
        "paired": [
            {"difference": "pretrained - random", **key, "split": s, "shots": k, "mean": 0.1234, "ci95": [-0.05, 0.3]}
            | {"per_seed": [0.1, 0.1, 0.1702]}
            for s, k in kinds
        ],
        "gaps": [],
        "per_class": [
            {
                "representation": "pretrained",
                **key,
                "split": "random",
                "shots": 20,
                "recall": dict.fromkeys(CLASSES, 0.5),
            }
        ],
        "outcomes": [
            {
                "representation": "pretrained",
                **key,
                "split": split,
                "shots": 20,
                "counts": [[8, 1, 1], [0, 30, 10], [0, 0, 0]],
                "correct": ["", "", ""],
            }
            for split in ("random", "block")
        ],
        "headline": "logistic",
        "selected_on": "training samples only",
        "transductive": True,
        "seeds": [0, 1, 2],
        "skipped": [],
        "damaged": [],
        "splits": [
            {"split": s, "shots": k, "labels": None, "seed": i, "train": 15, "test": 70, "left_out": []}
            | {"sha256_train": f"{i}{k}{s}" * 9, "sha256_test": f"{k}{i}{s}" * 9}
            | {"leakage": {"inside": 0.25 * (s == "random"), "touching": 0.5 * (s == "random"), "patch_size": 9}}
            for s, k in kinds
            for i in range(3)
        ],
        "source": {"name": "fields", "samples": 100, "test_part": None, "classes": dict.fromkeys(CLASSES, 10)},
        "excluded": {"samples": 7, "why": "their labels were seen"},
        "encoder": {"feature_dim": 16, "sha256_before": sha, "sha256_after": sha, "file": "gone/encoder.safetensors"},
        "versions": {"torch": "2.11"},
        "command": "simclr linear-eval runs/fields",
    }


def few_shot():
    row = {"representation": "pretrained", "shots": 5, "split": "unknown", "mean": 0.8768, "sd": 0.01}
    base = result()
    return base | {
        "protocol": "simclr-few-shot/1",
        "episodes": [
            {
                "representation": "pretrained",
                **{"ways": 5, "shots": 1, "queries": 15, "episodes": 600},
                "accuracy": {"cosine": {"mean": 0.7123, "sd": 0.1, "ci95": [0.7043, 0.7203]}},
            }
        ],
        "open_set": [
            {**row, "probe": "energy", "threshold": None, "metric": "auroc"},
            {**row, "probe": "energy", "threshold": "weibull", "metric": "open_oa", "mean": 0.4321},
        ],
        "splits": [s | {"unknown": ["oats"]} for s in base["splits"]],
    }


def typed(content):
    return Result.model_validate(content)


def png():
    file = io.BytesIO()
    Image.new("RGB", (4, 3)).save(file, format="PNG")
    return file.getvalue()


class Page(HTMLParser):
    """Collects what a browser would load, the table cells, and whether every tag is closed."""

    def __init__(self, html):
        super().__init__()
        self.open, self.addresses, self.cells, self.tags = [], [], [[]], []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [
            v for k, v in attributes if k in ("src", "href", "xlink:href", "data", "action", "poster", "srcset")
        ]
        if tag not in ("meta", "link", "br", "img"):
            self.open.append(tag)
        if tag == "tr":
            self.cells.append([])
        if tag in ("th", "td"):
            self.cells[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.handle_starttag(tag, attributes)
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] in ("th", "td"):
            self.cells[-1][-1] += data


def whole():
    g = np.random.default_rng(0)
    points = Embedding(g.normal(size=(30, 2)), g.integers(0, 3, 30), CLASSES)
    pictures = {"Map: of it": png()}
    lines = [HealthLine.model_validate(line) for line in METRIC_LINES]
    made = EncoderMetadata({"encoder": {"name": "resnet8"}, "feature_dim": 4, "recipe": {"seed": 7}})
    found = typed(result()), typed(few_shot())
    return Material(*found, lines, made, pictures, png(), lambda: points, ["knn: gone"])


@pytest.fixture(scope="module")
def html():
    return report_html(whole(), "fields & <more>")


def test_the_page_is_well_formed_and_loads_nothing(html):
    page = Page(html)
    assert page.open == []
    assert all(a.startswith(("#", "data:image/png;base64,")) for a in page.addresses)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "@import" not in html
    assert not re.search(r"url\((?!#)", html)
    ElementTree.fromstring(html.removeprefix("<!DOCTYPE html>\n"))  # XML too, so every figure is
    assert "fields &amp; &lt;more&gt;" in html
    assert "wheat &amp; &lt;corn&gt;" in html
    assert len(html) < 3_000_000


def test_no_address_of_the_network_is_in_the_page_but_the_names_of_namespaces(html):
    namespaces = {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert set(re.findall(r"https?://[^\s\"'<>]+", html)) <= namespaces
    assert set(re.findall(r"\b(?!xmlns)[\w:-]+=\"(https?://[^\"]+)", re.sub(r"xmlns(:\w+)?=", "xmlns=", html))) == set()


def test_every_figure_says_what_it_shows(html):
    pictures, figures = re.findall(r"<img [^>]*>", html), re.findall(r"<figure[^>]*>", html)
    assert len(pictures) == 2
    assert len(figures) == 2 + 2 + 2 + 1 + 1  # pictures, curves, confusions, t-SNE, health
    assert all(re.search(r'alt="[^"]{5,}"', tag) for tag in pictures)
    assert sum("aria-label=" in tag for tag in figures) == len(figures) - len(pictures)


def test_the_same_material_gives_the_same_page(html):
    assert report_html(whole(), "fields & <more>") == html


def test_no_two_elements_share_an_id(html):
    ids = re.findall(r'\bid="([^"]+)"', html)
    used = set(re.findall(r'(?:href="#|url\(#)([^")]+)', html))
    assert used <= set(ids)
    assert len(set(ids)) == len(ids)


def test_the_numbers_are_those_of_the_json(html):
    cells = Page(html).cells
    for row in result()["rows"]:
        if row["probe"] == "logistic":
            text = f"{100 * row['mean']:.1f} ± {100 * row['sd']:.1f}"
            name = {"random": "random weights"}.get(row["representation"], row["representation"])
            assert any(c and c[0] == name and text in c for c in cells), text
    assert not any(c and c[0] == "random" for c in cells)
    split = next(c for c in cells if "OA, 5 shots" in c)
    ours = cells[cells.index(split) + 1]
    row = next(r for r in result()["rows"] if r["metric"] == "aa")
    assert ours[split.index("AA, 5 shots")] == f"{100 * row['mean']:.1f} ± {100 * row['sd']:.1f}"
    assert any("+12.3 [−5.0, +30.0]" in c for c in cells)
    assert ["1 oats", "10", "50.0"] in cells
    assert ["pretrained", "cosine", "71.2 ± 0.8"] in cells
    assert ["pretrained", "energy", "87.7 ± 1.0"] in cells
    assert ["energy", "weibull", "43.2 ± 1.0"] in cells


def test_how_to_get_the_same_again_is_on_the_page(html):
    cells = Page(html).cells
    for fact in (
        ["command", "simclr linear-eval runs/fields"],
        ["protocol", "simclr-linear-eval/2 split=random,block"],
        ["seeds", "0, 1, 2"],
        ["selected on", "training samples only"],
        ["transductive", "yes"],
        ["encoder sha256 before", "abc"],
        ["encoder sha256 after", "abc"],
    ):
        assert fact in cells
    assert "<b>seed</b> 7" in html
    hashes = " ".join(c[1] for c in cells if len(c) == 4).split()
    for split in result()["splits"]:
        assert f"{split['sha256_train'][:8]}/{split['sha256_test'][:8]}" in hashes


@pytest.mark.parametrize("part", ["result", "few_shot", "metrics", "encoder", "embedding"])
def test_any_part_alone_makes_a_page(part):
    page = report_html(Material(**{part: getattr(whole(), part)}), "alone")
    assert Page(page).open == []
    assert report_html(Material(missing=["all of it"]), "none").count("all of it") == 1


def test_how_the_numbers_came_about_is_said_in_words(html):
    text = re.sub(r"<[^>]+>", "", html)
    for sentence in (
        "logistic probe, random and block splits, 5 and 20 shots, 3 seeds.",
        "Made on: training samples only.",
        "Pretraining saw the test samples, without their labels (transductive).",
        "7 samples left out of every split: their labels were seen.",
        "a training patch of 9 × 9 pixels",
        "random split: 25 / 50 %",
        "block split: 0 / 0 %",
        "SHA-256 over all parameters and buffers, the same before and after the evaluation: abc",
        "Unknown classes: oats.",
    ):
        assert sentence in text


def test_what_nobody_knows_is_shown_by_its_own_name():
    content = result()
    theirs = {"representation": "theirs", "probe": "their probe", "split": "random", "shots": 20, "per_seed": [0.1]}
    content["rows"] += [theirs | {"metric": "oa", "mean": 0.0123, "sd": None}]
    content["rows"] += [theirs | {"probe": "logistic", "metric": "their metric", "mean": 0.0456, "sd": None}]
    cells = Page(report_html(Material(typed(content)), "theirs")).cells
    assert ["theirs", "their probe, 1 seed", "–", "1.2"] in cells
    assert ["", "their metric, 20 shots"] in cells
    assert ["theirs", "4.6"] in cells


@pytest.mark.parametrize(
    ("mean", "ci95", "words"),
    [
        (0.1, [0.05, 0.15], "better than the best baseline, PCA (+10.0 points, 95 % interval +5.0 to +15.0)"),
        (0.1, [-0.05, 0.25], "not clearly different from the best baseline, PCA (+10.0 points"),
        (-0.1, [-0.15, -0.05], "worse than the best baseline, PCA (−10.0 points"),
        (0.1, None, "10.0 points above the best baseline, PCA (n = 2: no interval)"),
    ],
)
def test_what_the_numbers_come_to_is_measured_against_the_best_baseline(mean, ci95, words):
    content = result()
    key = {"probe": "logistic", "metric": "oa", "labels": None, "split": "random", "shots": 20, "per_seed": [0, 1]}
    content["paired"] = [
        {"difference": "pretrained - random", **key, "mean": 0.3, "ci95": [0.2, 0.4]},
        {"difference": "pretrained - pca", **key, "mean": mean, "ci95": ci95},
    ]
    content["rows"] = [{**r, "mean": 0.5, "sd": 0.01} for r in content["rows"]]
    random, block = findings(typed(content))
    assert random == f"Random split, 20 shots: 50.0 ± 1.0 % OA, {random.partition('OA, ')[2]}"
    assert words in random
    assert block == "Block split, 20 shots: 50.0 ± 1.0 % OA."


def test_a_matrix_of_features_is_reported_too():
    content = result()
    content["rows"] = [
        r | {"representation": "features"} for r in content["rows"] if r["representation"] == "pretrained"
    ]
    content |= {"paired": [], "outcomes": [], "per_class": [], "encoder": {"sha256_before": None, "sha256_after": None}}
    text = report_html(Material(typed(content)), "features")
    assert len(findings(typed(content))) == 2
    assert "Frozen" not in text
    assert "Baselines" not in text
    assert any(c[0] == "features" for c in Page(text).cells if c)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run's folder with an untrained encoder of the digits."""
    folder = tmp_path_factory.mktemp("run")
    source = load_digits()
    preprocess = fit_preprocess(source)
    encoder = {"in_chans": 1, "name": "resnet8", "stem": "small", "width": 8}
    module = random_encoder(0, **encoder)
    metadata = {
        "encoder": encoder,
        "feature_dim": module.feature_dim,
        "data": {"source": "digits"},
        "source": {"name": "digits", "samples": len(source), "classes": list(source.class_names)},
    }
    save_encoder(folder / "encoder.safetensors", module, preprocess, metadata)
    (folder / "metrics.jsonl").write_text("\n".join(map(json.dumps, METRIC_LINES)) + '\n{"step": 10')
    (folder / "views.png").write_bytes(png())
    return folder


def test_a_run_without_results_is_shown_and_what_is_missing_is_said(run, monkeypatch):
    monkeypatch.setattr("simclr.eval.report.gather.choose_for_map", lambda labels: choose_for_map(labels, 60))
    found = gather(run)
    assert (found.result, found.few_shot) == (None, None)
    assert len(found.metrics) == 1_000  # the line that was cut short is left out
    assert found.embedding()[0].shape == (60, 2)
    for word in ("result.json", "few-shot.json"):
        assert any(word in text for text in found.missing)
    assert not any("map" in text for text in found.missing)  # digits are no scene


def test_a_result_of_another_encoder_is_refused(run, tmp_path):
    write_result(typed(result()), run / "result.json")
    with pytest.raises(InputError, match="another encoder"):
        run_report(run)
    write_result(typed(result(fingerprint(load_encoder(run)))), run / "result.json")
    write_result(typed(few_shot()), run / "few-shot.json")
    with pytest.raises(InputError, match="different encoders"):
        run_report(run)
    (run / "result.json").unlink()
    (run / "few-shot.json").unlink()


def test_a_folder_of_a_result_alone(tmp_path, capsys):
    write_result(typed(result()), tmp_path / "result.json")
    file = run_report(tmp_path / "result.json", output=tmp_path / "new" / "page.html")
    html = file.read_text(encoding="utf-8")
    assert "t-SNE: there is no encoder" in html
    assert f"data:image/png;base64,{base64.b64encode(png()).decode()}" not in html
    assert "not in the report: few-shot.json: run simclr few-shot" in capsys.readouterr().out


def test_nothing_to_report_and_damaged_files_are_refused_in_one_line(tmp_path):
    with pytest.raises(InputError, match="neither a run nor a result"):
        run_report(tmp_path)
    (tmp_path / "metrics.jsonl").write_text('{"step": 1}\nbroken\n{"step": 2}\n')
    with pytest.raises(InputError, match="line 2"):
        run_report(tmp_path)
    (tmp_path / "result.json").write_text("{")
    with pytest.raises(InputError, match="damaged") as error:
        run_report(tmp_path)
    assert "\n" not in str(error.value)
    with pytest.raises(InputError, match="give the folder of a run, or of linear-eval") as error:
        run_report(tmp_path / "nothing")
    assert f"there is no {tmp_path / 'nothing'}:" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_copy_of_the_metadata_that_is_damaged_or_of_another_encoder_is_refused(run):
    copy = run / "encoder.json"
    whole = copy.read_text()
    for content, message in (
        (whole[:-20], "damaged, no JSON"),
        ("[" * 100_000 + "]" * 100_000, "damaged, no JSON"),
        (whole.replace("resnet8", "resnet9"), "not of the encoder file"),
    ):
        copy.write_text(content)
        with pytest.raises(InputError, match=message) as error:
            gather(run)
        assert str(copy) in str(error.value)
        assert "\n" not in str(error.value)
    copy.write_text(whole)


def test_a_report_is_a_single_file(run, monkeypatch):
    monkeypatch.setattr("simclr.eval.report.gather.choose_for_map", lambda labels: choose_for_map(labels, 60))
    before = {path for path in run.rglob("*") if "features" not in path.parts}
    file = run_report(run)
    assert {path for path in run.rglob("*") if "features" not in path.parts} - before == {file}
    assert file.stat().st_size < 3_000_000
    assert "t-SNE of h, 60 labelled samples" in file.read_text(encoding="utf-8")
