import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tests.analytics.filters import written

from analytics.metrics.filtering import MAX_FILTERS, MAX_VALUES, FilterBy, checked, filter_by
from kith.errors import Invalid

names = st.text(st.characters(exclude_categories=["Cs"])) | st.text("\",!: \\'ab", max_size=6)


@given(st.lists(names | st.none(), min_size=1, max_size=5), st.booleans())
def test_every_name_can_be_queried(values: list[str | None], exclude: bool) -> None:
    filter = FilterBy("segment", tuple(values), exclude)
    assert filter_by(written(filter)) == filter


@given(st.text('",! ab', max_size=8))
def test_what_is_taken_as_it_stands_means_what_it_says_or_is_refused(text: str) -> None:
    """Without quotes it is what stands between the commas, to the letter."""
    assume('"' not in text)
    words = text.removeprefix("!").split(",")
    if any(word.startswith(("!", " ")) or word.endswith(" ") for word in words):
        with pytest.raises(Invalid):
            filter_by(f"segment:{text}")
        return
    found = filter_by(f"segment:{text}")
    assert ",".join(each or "" for each in found.values) == text.removeprefix("!")
    assert found.exclude == text.startswith("!")


@pytest.mark.parametrize(
    ("text", "values", "exclude"),
    [
        ("country:France,Spain", ("France", "Spain"), False),
        ("country:!France,Spain", ("France", "Spain"), True),
        ("country:", (None,), False),
        ("country:!", (None,), True),
        ("country:,France", (None, "France"), False),
        ('country:""', ("",), False),
        ('country:"Food, Drink & Tobacco",Retail', ("Food, Drink & Tobacco", "Retail"), False),
        ('country:"!x"', ("!x",), False),
        ('country:!"!x"', ("!x",), True),
        ('country:"6"" pipe"', ('6" pipe',), False),
        ('country:" a "', (" a ",), False),
        ("country:a:b\\c'd", ("a:b\\c'd",), False),
    ],
)
def test_the_language_of_filters(text: str, values: tuple[str | None, ...], exclude: bool) -> None:
    assert filter_by(text) == FilterBy("country", values, exclude)


@pytest.mark.parametrize(
    "text",
    [
        "segment:Food, Drink & Tobacco",
        "segment: Food",
        "segment:Food ",
        "segment:a,!b",
        "segment:!!a",
        'segment:6" pipe',
        'segment:"a',
        'segment:"a"b',
        'segment:"a" ,b',
        'segment:a"b"',
    ],
)
def test_what_could_be_read_in_two_ways_is_refused_with_how_to_write_it(text: str) -> None:
    with pytest.raises(Invalid, match="double quotes") as refused:
        filter_by(text)
    assert refused.value.field == "filter"


def test_what_has_no_dimension_is_no_filter() -> None:
    with pytest.raises(Invalid, match="dimension:value"):
        filter_by("France")


def test_filters_and_their_values_are_bounded() -> None:
    one = FilterBy("country", ("France",))
    assert checked((one,) * MAX_FILTERS)
    with pytest.raises(Invalid, match=str(MAX_FILTERS)):
        checked((one,) * (MAX_FILTERS + 1))
    with pytest.raises(Invalid, match=str(MAX_VALUES)):
        checked((FilterBy("country", ("France",) * (MAX_VALUES + 1)),))
