import sys

import pytest

from simclr.registry import Registry, load


def test_a_thing_is_imported_when_it_is_asked_for(tmp_path, monkeypatch):
    (tmp_path / "strange_thing.py").write_text("THING = ['here']\n")
    monkeypatch.syspath_prepend(tmp_path)
    things = Registry({"strange": "strange_thing:THING", "gone": "no_such_module:THING"})
    assert list(things) == ["strange", "gone"]
    assert "strange" in things and "other" not in things  # noqa: PT018
    assert "strange_thing" not in sys.modules
    assert things["strange"] == ["here"]
    assert things["strange"] is things["strange"] is load("strange_thing:THING")
    with pytest.raises(ModuleNotFoundError):
        things["gone"]
    with pytest.raises(KeyError):
        things["other"]


def test_a_line_that_is_added_counts():
    things = Registry({})
    things.lines["square root"] = "math:sqrt"
    assert things["square root"](9) == 3
    assert len(things) == 1
