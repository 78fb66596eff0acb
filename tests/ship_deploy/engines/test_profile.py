import pytest

from ship_deploy import UserError
from ship_deploy.engines.profile import Profile, choose_profile


def test_a_model_of_one_size_needs_no_sizes():
    profile = choose_profile("480x640")
    assert profile == Profile((1, 480, 640), (1, 480, 640), (1, 480, 640))
    assert str(profile) == "frames of 480x640; one a call"
    assert choose_profile("480x640", "480x640", "480x640", "480x640") == profile


def test_defaults_of_a_model_of_any_size():
    profile = choose_profile("any")
    assert profile == Profile((1, 16, 16), (1, 480, 640), (1, 1080, 1920))
    assert str(profile) == "frames of 16x16 to 1080x1920, tuned for 480x640; one a call"


@pytest.mark.parametrize(
    ("low", "high", "usual"),
    [
        (None, "96x2000", (96, 640)),
        ("600x700", None, (600, 700)),
        ("64x64", "64x64", (64, 64)),
        ("64x64", "2000x4000", (480, 640)),
    ],
)
def test_it_is_tuned_for_the_usual_size_within_the_limits(low, high, usual):
    assert choose_profile("any", low, None, high).opt == (1, *usual)


def test_a_batch_is_at_most_that_large():
    profile = choose_profile("any", "32x48", "64x80", "96x128", batch=4)
    assert profile.shapes == ((1, 32, 48), (4, 64, 80), (4, 96, 128))
    assert str(profile).endswith("1 to 4 a call")


def test_its_arguments_make_it_again():
    profile = choose_profile("any", "32x48", "64x80", "96x128", batch=4)
    low, usual, high, batch = profile.arguments[1::2]
    assert profile.arguments[::2] == ["--min", "--opt", "--max", "--batch"]
    assert choose_profile("any", low, usual, high, int(batch)) == profile


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (("64", None, None), "--min is '64', expected HEIGHTxWIDTH"),
        ((None, "64x-64", None), "--opt is '64x-64', expected"),
        ((None, None, "\uff196x96"), r"--max is .*, expected"),
        (("15x64", None, None), "--min is 15x64, the smallest is 16x16"),
        (("64x64", "32x96", None), r"--min \(64x64\) is larger than --opt \(32x96\)"),
        ((None, "96x96", "480x95"), r"--opt \(96x96\) is larger than --max \(480x95\)"),
        ((None, "2000x100", None), r"--opt \(2000x100\) is larger than --max \(by default 1080x19"),
        (
            ("2000x100", None, None),
            r"--min \(2000x100\) is larger than --max \(by default 1080x1920\)",
        ),
        (("600x100", None, "500x100"), "is larger than"),
    ],
)
def test_sizes_that_make_no_sense(sizes, message):
    with pytest.raises(UserError, match=message) as error:
        choose_profile("any", *sizes)
    assert "\n" not in str(error.value)


def test_another_size_than_the_model_takes():
    with pytest.raises(UserError, match="--max is 96x96, but the model takes 48x64 only"):
        choose_profile("48x64", high="96x96")


def test_an_empty_batch():
    with pytest.raises(UserError, match="--batch is 0, expected at least 1"):
        choose_profile("any", batch=0)
