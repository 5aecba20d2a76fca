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


def test_what_goes_on_counts_down_and_never_says_that_nothing_is_left(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("simclr.eval.work.forecast.time.perf_counter", lambda: clock[0])
    forecast = Forecast()
    forecast.expect("trainings", 20)
    forecast.tried("trainings", 1, 2.0)
    with forecast.running("trainings", 10):
        clock[0] += 8
        assert forecast.left() == pytest.approx(32.0)
        forecast.took("trainings", 4, 8.0)  # told on the way
        assert forecast.left() == pytest.approx(32.0)
        clock[0] += 4
        assert forecast.left() == pytest.approx(28.0)
        clock[0] += 100  # it takes longer than was thought: what comes behind it is still to be done
        assert forecast.left() == pytest.approx(20.0)
    assert forecast.left() == pytest.approx(10 * (8.0 + 104.0) / 10)
    with forecast.running("trainings", 10):
        clock[0] += 1_000
        assert forecast.words() == "a second or two"


def test_paces_that_were_seen_elsewhere_are_learned():
    forecast, tried = Forecast(), Forecast()
    forecast.expect("fits", 30)
    tried.took("fits", 3, 6.0)
    forecast.learn(tried)
    assert forecast.left() == pytest.approx(60.0)
    assert forecast.expects("fits")
    assert not forecast.expects("others")
