"""The statistics of outcomes, against published values."""

import numpy as np
import pytest

from analytics.playbooks.comparison import Evidence, Share, compare, fisher, newcombe, wilson


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 857-872, table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_share_is_wilsons(successes: int, n: int, low: float, high: float) -> None:
    found = wilson(successes, n)
    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-5)


@pytest.mark.parametrize(
    ("table", "low", "high"),
    # Newcombe (1998), Statistics in Medicine 17, 873-890, table II, method 10.
    [
        ((56, 70, 48, 80), 0.0524, 0.3339),
        ((9, 10, 3, 10), 0.1705, 0.8090),
        ((6, 7, 2, 7), 0.0582, 0.8062),
        ((5, 56, 0, 29), -0.0381, 0.1926),
        ((0, 10, 0, 20), -0.1611, 0.2775),
        ((0, 10, 0, 10), -0.2775, 0.2775),
        ((10, 10, 0, 20), 0.6791, 1.0),
        ((10, 10, 0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_newcombes(table: tuple[int, int, int, int], low: float, high: float) -> None:
    found = newcombe(*table)
    assert [found.low, found.high] == pytest.approx([low, high], abs=5e-5)


@pytest.mark.parametrize(
    ("table", "p"),
    [
        ((3, 4, 1, 4), 0.4857142857),  # Fisher's lady tasting tea
        ((10, 13, 2, 17), 0.0005367241),  # R's fisher.test, example "Convictions"
        ((0, 30, 0, 25), 1.0),
        ((30, 30, 25, 25), 1.0),
    ],
)
def test_the_p_value_is_fishers(table: tuple[int, int, int, int], p: float) -> None:
    assert fisher(*table) == pytest.approx(p, rel=1e-6)


def test_the_p_value_is_scipys_on_many_tables() -> None:
    from random import Random

    from scipy.stats import fisher_exact

    random = Random(5)
    for _ in range(200):
        n, m = random.randint(1, 400), random.randint(1, 60)
        a, b = random.randint(0, n), random.randint(0, m)
        theirs = fisher_exact(np.array([[a, n - a], [b, m - b]])).pvalue
        assert fisher(a, n, b, m) == pytest.approx(theirs, rel=1e-9, abs=1e-12)


def test_the_p_value_of_a_large_base_is_shown_too() -> None:
    assert fisher(420_000, 900_000, 46_000, 100_000) == pytest.approx(6e-5, rel=0.05)
    assert fisher(420_000, 900_000, 46_667, 100_000) == pytest.approx(1, abs=0.01)


def test_without_a_control_share_what_is_seen_is_observational() -> None:
    found = compare(Share.of(500, 300), Share.of(0, 0), control_share=0)
    assert found.evidence is Evidence.OBSERVATIONAL
    assert found.words.startswith("Observational: no control share.")
    assert (found.difference, found.interval, found.p_value) == (None, None, None)
    assert found.treated.rate == 0.6


def test_too_few_are_not_compared_and_it_says_how_many_there_are() -> None:
    found = compare(Share.of(180, 90), Share.of(19, 2), control_share=0.1)
    assert found.evidence is Evidence.TOO_FEW
    assert found.words == "Too few: settled are 180 treated and 19 left alone. They are compared from 20 each."
    assert found.p_value is None


def test_a_difference_that_chance_does_not_make_is_said_with_its_uncertainty() -> None:
    found = compare(Share.of(70, 56), Share.of(80, 48), control_share=0.5)
    assert found.evidence is Evidence.RANDOMISED
    assert found.difference == pytest.approx(0.2)
    assert found.words == (
        "It helped: chance alone rarely makes such a difference. 80.0 % of the treated and 60.0 % of those left "
        "alone came to success: a difference of +20.0 points (95 % confidence: +5.2 to +33.4), p = 0.013."
    )


def test_a_difference_that_chance_makes_is_said_to_be_none() -> None:
    found = compare(Share.of(100, 41), Share.of(50, 20), control_share=0.3)
    assert found.words.startswith("No difference that can be told from chance.")


def test_harm_is_called_harm() -> None:
    assert compare(Share.of(80, 40), Share.of(70, 60), control_share=0.5).words.startswith("It did harm")
