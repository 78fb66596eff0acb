"""Turns, and cameras."""

from ship_deploy.bench.measure import camera_to_picture, take_turns
from ship_deploy.bench.scene import draw


def test_all_take_turns_and_warm_ups_do_not_count():
    calls = []
    fusers = {name: lambda v, i, name=name: calls.append(name) or v for name in "ab"}
    times = list(take_turns(fusers, draw(16, 16), 2, 3))
    assert "".join(calls) == "aabb" + 3 * "ab"
    assert [set(found) for found in times] == 3 * [{"a", "b"}]
    assert all(seconds > 0 for found in times for seconds in found.values())


def test_from_cameras_to_pictures():
    steps = []
    latencies, rate = camera_to_picture(
        lambda v, i: v, draw(32, 40), 200.0, 2, 5, lambda: steps.append(1)
    )
    assert len(latencies) == len(steps) == 5
    assert min(latencies) > 0 and 0 < rate <= 400


def test_the_frames_are_always_the_same_and_have_structure():
    visible, infrared = draw(100, 130)
    assert visible.shape == (100, 130, 3) and infrared.shape == (100, 130)
    assert visible.std() > 20 and infrared.std() > 20
    assert all((a == b).all() for a, b in zip(draw(100, 130), (visible, infrared), strict=True))
