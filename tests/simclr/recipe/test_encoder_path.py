import pytest

from simclr.errors import InputError
from simclr.recipe.encoder_path import NAME, encoder_path

BEGIN = b"\x40\0\0\0\0\0\0\0{"


@pytest.fixture
def there(tmp_path, monkeypatch):
    """A finished run and one that was stopped, of either kind, in the folder runs."""
    for name, text in (
        ("digits", "loss: {}"),
        ("stopped", "loss: {}"),
        ("tuned", "seed: 0\nobjective:\n  softmax: {}"),
    ):
        (tmp_path / "runs" / name / "checkpoints").mkdir(parents=True)
        (tmp_path / "runs" / name / "recipe.yaml").write_text(text)
    (tmp_path / "runs" / "digits" / NAME).write_bytes(BEGIN)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_run_its_file_and_a_copy_of_it_are_taken(there):
    for given in ("runs/digits", f"runs/digits/{NAME}"):
        assert str(encoder_path(given)) == f"runs/digits/{NAME}"
    (there / "mine.bin").write_bytes(BEGIN)
    assert str(encoder_path("mine.bin")) == "mine.bin"
    # What is wrong with a file of that name is said by whoever reads it.
    (there / "cut.safetensors").write_bytes(b"")
    assert str(encoder_path("cut.safetensors")) == "cut.safetensors"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("nowhere", f"there is no encoder file nowhere: give the {NAME} of a finished run, or its folder"),
        ("runs/digit", "or its folder; did you mean runs/digits?"),
        (
            "runs",
            f"no encoder file runs/{NAME}: give the {NAME} of a finished run, or its folder, such as runs/digits",
        ),
        ("digits", "there is no encoder file digits, and digits is a recipe: give runs/digits"),
        ("cifar10", "cifar10 is a recipe: pretrain with it (simclr pretrain cifar10), and give the run's folder"),
        ("runs/stopped", "has not finished: go on with it by simclr pretrain runs/stopped/recipe.yaml --resume"),
        (f"runs/stopped/{NAME}", "go on with it by simclr pretrain runs/stopped/recipe.yaml --resume"),
        ("runs/tuned", "go on with it by simclr fine-tune runs/tuned/recipe.yaml --resume"),
        (
            "runs/digits/recipe.yaml",
            "is a recipe and no encoder: give the folder of a finished run, which runs/digits is",
        ),
        ("runs/stopped/recipe.yaml", "is a recipe and no encoder: give the folder of a finished run"),
        ("x.npy", f"x.npy is no encoder file: give the {NAME} of a finished run, or its folder"),
        ("empty.pt", "empty.pt is no encoder file"),
        ("x" * 300, "which cannot be opened (File name too long)"),
        ("a\0b", "which is no name that a file can have"),
    ],
)
def test_anything_else_is_told_apart(there, given, message):
    (there / "x.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{")
    (there / "empty.pt").write_bytes(b"")
    with pytest.raises(InputError) as caught:
        encoder_path(given)
    assert str(caught.value).endswith(message) or message in str(caught.value)
    assert "\n" not in str(caught.value)
