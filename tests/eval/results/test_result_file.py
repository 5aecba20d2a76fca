import pytest

from simclr.errors import InputError
from simclr.eval.results.result_file import files_alike


def test_folders_stand_for_the_evaluation_that_all_of_them_hold(tmp_path):
    a, b, c = (tmp_path / name for name in "abc")
    for folder, names in ((a, ("result", "few-shot")), (b, ("result", "few-shot")), (c, ("few-shot",))):
        folder.mkdir()
        for name in names:
            (folder / f"{name}.json").touch()
    files, (line,) = files_alike([a, b])
    assert files == [a / "result.json", b / "result.json"]
    assert line.endswith(f"simclr compare {a / 'few-shot.json'} {b / 'few-shot.json'}")
    assert files_alike([a, c]) == ([a / "few-shot.json", c / "few-shot.json"], [])
    assert files_alike([a / "few-shot.json", b / "result.json"]) == ([a / "few-shot.json", b / "result.json"], [])
    (a / "few-shot.json").unlink()
    with pytest.raises(
        InputError, match=r"there is no .*c/result.json, only few-shot.json, which others lack: evaluate"
    ):
        files_alike([a, c])
