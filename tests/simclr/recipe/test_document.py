"""YAML is read as it was typed, and what no recipe is, is refused at once."""

import math

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from simclr.errors import InputError
from simclr.recipe.document import MOST_ENTRIES, DocumentError, Written, dump, parse, plain_value


def refusal(text):
    with pytest.raises(DocumentError) as caught:
        parse(text)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("010", 10),
        ("1_000", 1000),
        ("0x1F", 31),
        ("0o17", 15),
        ("-7", -7),
        ("1e-6", 1e-6),
        (".5", 0.5),
        ("2.", 2.0),
        ("true", True),
        ("null", None),
        ("", None),
        ("-.inf", -math.inf),
        ("1:30", "1:30"),
        ("2024-01-01", "2024-01-01"),
        ("on", "on"),
        ("1_", "1_"),
        ("٣", "٣"),
        ("0b11", "0b11"),
        ("1e", "1e"),
        ("nan", "nan"),
    ],
)
def test_a_plain_word_is_what_it_looks_like_and_nothing_else(word, value):
    found = plain_value(word)
    assert (type(found), found) == (type(value), value)


def test_a_number_of_thousands_of_digits_is_refused_where_it_is_one():
    assert plain_value("9" * 999) == 10**999 - 1
    for word in ("9" * 5000, "0." + "1" * 5000):
        with pytest.raises(InputError, match="digits"):
            plain_value(word)


def test_words_are_kept_as_they_were_typed_and_text_in_quotes_is_text():
    tree = parse("a: 010\nb: '010'\nc: [on, \"on\", 1:30]\nd: |\n  010\n")
    assert tree == {"a": "010", "b": "010", "c": ["on", "on", "1:30"], "d": "010\n"}
    assert [type(part) for part in (tree["a"], tree["b"], *tree["c"], tree["d"])] == [
        Written,
        str,
        Written,
        str,
        Written,
        str,
    ]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("seed: 1\ntrain:\n  lr: 1\n  lr: 1\n", "has the key 'lr' twice, at lines 3 and 4: keep one"),
        ("data: {}\nseed: 1\ndata: {}\n", "has the key 'data' twice, at lines 1 and 3: keep one"),
        ("a: {b: 1, 'b': 2}", "has the key 'b' twice"),
        ("a: [{b: 1, b: 1}]", "has the key 'b' twice"),
        ("a: &x [*x]", "has a part that contains itself at line 1"),
        ("a: &x {b: *x}", "has a part that contains itself at line 1"),
        ("a:\n  - !!python/object/apply:os.system [ls]", "has the tag !!python/object/apply:os.system"),
        ("a: !mine 3", "has the tag !mine"),
        ("[1]: 2", "has a key that is a list or a section at line 1"),
        ("a: 1\n<<: 3", "has << before something that is no section at line 2"),
        ("--- 1\n--- 2", "another document"),
        ("a: *b", "undefined alias"),
        ("a: [", "is not readable as YAML"),
        ("\x00", "is not readable as YAML"),
        ("a: \ud800", "is not readable as YAML"),
    ],
)
def test_what_no_recipe_needs_is_refused_with_its_line(text, words):
    assert words in refusal(text)


@pytest.mark.parametrize(
    "text", ["[" * 1000, "a: " + "{b: " * 1000, "- " * 1000, "? " * 1000, "a: " + "[" * 41 + "]" * 41]
)
def test_a_document_a_thousand_levels_deep_is_one_line(text):
    assert "nests deeper than 40 levels" in refusal(text)


def test_a_million_entries_are_given_up_early():
    assert f"has more than {MOST_ENTRIES} entries" in refusal(f"a: [{'0, ' * 1_000_000}]")


def test_aliases_may_repeat_a_part_but_not_a_billion_times():
    assert parse("a: &x {b: 1}\nc: *x\n") == {"a": {"b": "1"}, "c": {"b": "1"}}
    assert parse("a: &x {b: 1, c: 2}\nd: {<<: *x, c: 3}\n")["d"] == {"b": "1", "c": "3"}
    assert parse("a: &x {b: 1}\ne: &y {b: 2, f: 3}\nd: {<<: [*x, *y]}\n")["d"] == {"b": "1", "f": "3"}
    lines = ["a: &a [x, x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]" for old, new in zip("abcdefgh", "bcdefghi")]
    assert "with those that aliases repeat" in refusal("\n".join(lines))


def test_a_byte_order_mark_is_no_part_of_the_first_key():
    assert parse("\ufeffseed: 1") == {"seed": "1"}


def as_typed(tree):
    """Plain words as they look, by a walk of its own."""
    if isinstance(tree, dict):
        return {key: as_typed(value) for key, value in tree.items()}
    if isinstance(tree, list):
        return [as_typed(value) for value in tree]
    return plain_value(tree) if isinstance(tree, Written) else tree


text = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=12) | st.sampled_from(
    [
        "on",
        "010",
        "1e-3",
        "1:30",
        "null",
        "~",
        "0o17",
        "1_000",
        "<<",
        "=",
        "a: b",
        "a #b",
        "2024-01-01",
        "yes",
        "@",
        "-",
    ]
)
leaves = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False) | text


@given(st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)))
def test_what_is_written_is_read_again_and_other_readers_agree_on_its_text(tree):
    assert as_typed(parse(dump(tree))) == tree
    assert list(map(str, yaml.safe_load(dump([str(tree)])))) == [str(tree)]
