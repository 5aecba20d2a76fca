"""A process may be killed between any two moves of files: what was there before is there again."""

import os

import pytest

from simclr.run.replaced import is_aside, put_back, remove_aside, set_aside

FILES = {
    "run.json": "1",
    "recipe.yaml": "2",
    "encoder.safetensors": "3",
    "checkpoints/step-00000001.pt": "4",
    "checkpoints/mine.pt": "5",
    "notes.txt": "6",
}


class KilledError(Exception):
    pass


def there(folder):
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.is_file()}


def write(folder, contents):
    for name, text in contents.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def killed_after(monkeypatch, moves, call, folder):
    real, done = os.replace, []

    def move(*paths):
        if len(done) == moves:
            raise KilledError
        done.append(real(*paths))

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", move)
        with pytest.raises(KilledError):
            call(folder)


@pytest.mark.parametrize("moves", range(4))
def test_whenever_it_is_cut_off_all_comes_back(tmp_path, monkeypatch, moves):
    write(tmp_path, FILES)
    killed_after(monkeypatch, moves, set_aside, tmp_path)
    put_back(tmp_path)
    assert there(tmp_path) == FILES

    set_aside(tmp_path)
    assert is_aside(tmp_path)
    assert there(tmp_path).keys() >= {"checkpoints/mine.pt", "notes.txt"}
    write(tmp_path, {"run.json": "new", "recipe.yaml": "new"})
    killed_after(monkeypatch, moves, put_back, tmp_path)
    put_back(tmp_path)
    assert there(tmp_path) == FILES
    assert not is_aside(tmp_path)


def test_once_it_is_removed_it_stays_away_even_when_that_is_cut_off(tmp_path, monkeypatch):
    write(tmp_path, FILES)
    set_aside(tmp_path)
    write(tmp_path, {"run.json": "new"})
    with monkeypatch.context() as patch:
        patch.setattr("shutil.rmtree", lambda *given, **options: None)
        remove_aside(tmp_path)
    put_back(tmp_path)
    kept = {"run.json": "new", "checkpoints/mine.pt": "5", "notes.txt": "6"}
    assert there(tmp_path) == kept
    remove_aside(tmp_path)
    assert there(tmp_path) == kept
