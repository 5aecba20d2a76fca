import pytest

from simclr.eval.work.forecast import Forecast, duration


def test_what_is_left_is_by_the_pace_so_far():
    forecast = Forecast()
    assert forecast.words() == ""
    forecast.expect("features", 1_000)
    forecast.expect("fits", 30)
    forecast.took("features", 100, 2.0)
    assert forecast.left() == pytest.approx(18.0)
    assert not forecast.is_whole
    assert forecast.words() == "18 s or more"
    forecast.drop("features", 400)  # they are on disk
    forecast.took("fits", 10, 40.0)
    assert forecast.left("features") == pytest.approx(10.0)
    assert forecast.left() == pytest.approx(10.0 + 80.0)
    assert forecast.words() == "about 90 s"


def test_what_was_tried_is_still_to_be_done_and_gives_way_to_the_real_pace():
    forecast = Forecast()
    forecast.expect("features", 1_000)
    forecast.tried("features", 10, 1.0)
    assert forecast.left() == pytest.approx(100.0)
    forecast.took("features", 500, 5.0)
    assert forecast.left() == pytest.approx(5.0, rel=1e-6)
    forecast.took("features", 600, 5.0)  # more than was expected
    assert forecast.left() == 0


def test_durations_as_people_say_them():
    said = [duration(seconds) for seconds in (0.4, 41, 99.4, 100, 420, 5_900, 6_000, 12_600)]
    assert said == ["0 s", "41 s", "99 s", "2 min", "7 min", "98 min", "1.7 h", "3.5 h"]
