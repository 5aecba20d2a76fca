import pytest

from simclr.errors import InputError
from simclr.eval.set_words import named_pair, named_set


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """A run, a scene, and a folder whose name has a colon."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "encoder.safetensors").touch()
    (tmp_path / "new.mat").touch()
    (tmp_path / "a:b").mkdir()


def test_a_place_and_what_of_it():
    found = named_set("run")
    assert (str(found.place), found.part, found.is_run) == ("run", None, True)
    found = named_set("new.mat: Corn ")
    assert (str(found.place), found.part, found.is_run) == ("new.mat", "Corn", False)
    assert named_set("run/encoder.safetensors:west").is_run
    assert named_set("a:b").part is None
    assert named_set("a:b:c").part == "c"


def test_the_encoder_is_the_one_given_or_that_of_the_first_run():
    assert named_pair("new.mat", "new.mat").encoder is None
    assert str(named_pair("new.mat", "run:west").encoder) == "run"
    assert str(named_pair("run", "run/encoder.safetensors").encoder) == "run"
    assert str(named_pair("new.mat", "new.mat", "run/encoder.safetensors").encoder) == "run/encoder.safetensors"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("old.mat", "run"), "'old.mat' does not exist: give a run, a file or folder of data"),
        (("run", "old.mat:Corn"), "'old.mat' does not exist"),
        (("run", ""), "'' names nothing"),
        (("run:", "run"), "'run:' names no part behind the colon"),
        (("run", "run", "other"), "--encoder is other, which does not exist: give a finished run"),
        (("run", "run", "a:b"), "--encoder is a:b, which holds no encoder.safetensors"),
    ],
)
def test_mistakes_are_named(words, message):
    with pytest.raises(InputError) as caught:
        named_pair(*words)
    assert str(caught.value).startswith(message)
