"""Whatever is wrong with a recipe is said in the words of whoever writes YAML, never in pydantic's."""

import pytest

from simclr.augment import addressed
from simclr.errors import InputError
from simclr.recipe import augment as augment_schema
from simclr.recipe.augment import Operations
from simclr.recipe.read import check_recipe

# What no line for a user may say.
PYDANTIC = ("nput should", "valid ", "validation", "tuple", "array", "object", "greater than", "less than")
VALUES = [
    "x",
    True,
    None,
    [],
    {},
    [1],
    [1, 2, 3],
    float("nan"),
    float("inf"),
    -1,
    1.2,
    1e9,
    [2, 1],
    ["a", "b"],
    [[0.1]],
]


def complaint(augment, **data):
    with pytest.raises(InputError) as error:
        check_recipe({"data": {"source": "digits", **data}, "augment": augment})
    return str(error.value)


@pytest.mark.parametrize("name", Operations.model_fields)
def test_every_value_of_every_key_of_an_operation_is_taken_or_refused_in_plain_words(name):
    section = Operations.model_fields[name].annotation.__args__[0]
    for key in section.model_fields:
        for value in VALUES:
            for augment, place in (
                ({name: {key: value}}, f"augment.{name}.{key}"),
                ({"overrides": [{"views": [1], name: {key: value}}]}, f"augment.overrides.0.{name}.{key}"),
            ):
                message = place
                try:
                    check_recipe({"data": {"source": "digits"}, "augment": augment})
                except InputError as error:
                    message = str(error)
                assert not any(word in message for word in PYDANTIC), message
                assert "\n" not in message
                assert len(message) < 160
                # Digits are no scene, so neighbours are refused as such.
                assert message.startswith(place) or name == "neighbour_mixture", message


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        ({"noise": {"sd": "x"}}, 'augment.noise.sd is "x", but must be a number or a list'),
        (
            {"noise": {"snr": "guess"}},
            "augment.noise.snr is \"guess\", but must be a number or a list or 'estimate' or 'neighbours'",
        ),
        ({"noise": {"sd": [0.1, -2]}}, "augment.noise.sd.1 is -2, but must be at least 0"),
        ({"color_jitter": {"hue": 0.6}}, "augment.color_jitter.hue is 0.6, but must be at least 0 and at most 0.5"),
        ({"noise": {"snr": 0}}, "augment.noise.snr is 0, but must be above 0"),
        ({"band_dropout": {"fraction": 1}}, "augment.band_dropout.fraction is 1, but must be at least 0 and below 1"),
        ({"blur": []}, "augment.blur is [], but must be a section: {} takes its defaults, null leaves it out"),
        (
            {"center_shift": 3},
            "augment.center_shift is 3, but must be a section that sets shift, or null to leave it out",
        ),
        ({"overrides": ["x"]}, 'augment.overrides.0 is "x", but must be a section that sets views'),
        (3, "augment is 3, but must be a section of keys such as neighbour_mixture"),
        ({"overrides": [{"views": []}]}, "augment.overrides.0.views is [], but must be a list that is not empty"),
        ({"cutout": {"scale": [0.1]}}, "augment.cutout.scale is [0.1], but must be a pair [from, to]"),
        ({"noise": {"sd": ["b" * 200]}}, f'augment.noise.sd.0 is "{"b" * 56}…, but must be a number'),
        (
            {"overrides": [{"views": [0]}, {"views": [1], "radiation": {"alphaa": 1}}]},
            "unknown key augment.overrides.1.radiation.alphaa: did you mean augment.overrides.1.radiation.alpha?",
        ),
        (
            {"small_views": {"count": 1, "resized_crop": {"size": 4}, "center_shift": {}}},
            "unknown key augment.small_views.center_shift: did you mean augment.center_shift?",
        ),
    ],
)
def test_a_complaint_says_what_was_given_and_what_is_allowed(augment, message):
    assert complaint(augment) == message


def test_a_complaint_about_bands_shows_how_a_range_is_written():
    message = complaint({}, source="indian-pines", bad_bands=[3, "220-200"])
    assert message == 'data.bad_bands.1 is "220-200", but must be an integer or a pair [from, to]'


def test_the_limit_of_views_is_that_of_their_addresses():
    assert augment_schema.MAX_VIEWS == addressed.MAX_VIEWS
