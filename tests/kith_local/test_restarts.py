from kith_local.restarts import LIMIT, LONGEST_PAUSE, WINDOW, Restarts


def test_the_pauses_grow_and_are_bounded() -> None:
    restarts = Restarts()
    pauses = [restarts.died(now=float(second), lived=0.1).pause for second in range(12)]
    assert pauses[:4] == [0.2, 0.4, 0.8, 1.6]
    assert pauses == sorted(pauses)
    assert pauses[-1] == LONGEST_PAUSE


def test_what_dies_five_times_in_half_a_minute_is_hopeless() -> None:
    restarts = Restarts()
    verdicts = [restarts.died(now=second * WINDOW / LIMIT, lived=0.1).hopeless for second in range(LIMIT)]
    assert verdicts == [False] * (LIMIT - 1) + [True]


def test_what_dies_now_and_then_is_not() -> None:
    restarts = Restarts()
    assert not any(restarts.died(now=hour * 3600.0, lived=3600.0).hopeless for hour in range(20))


def test_after_a_long_life_the_pauses_start_over() -> None:
    restarts = Restarts()
    for second in range(6):
        restarts.died(now=float(second), lived=0.1)
    assert restarts.died(now=1000.0, lived=900.0).pause == 0.2
