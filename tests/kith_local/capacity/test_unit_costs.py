"""Unit costs are those of all runs on a machine, and say how far these lie apart."""

from pathlib import Path

import msgspec
import pytest

from kith_local.capacity.unit_costs import Grown, Memory, Run, Stored, Work, add, add_growth, read


def run_of(cpu: float, memory: float = 100) -> Run:
    return Run(
        at="2026-01-31T12:00+00:00",
        works={"fold": Work("event", {"worker": cpu, "postgres": 2 * cpu}, 1000)},
        tables={"analytics: ledger": Stored(10, 300)},
        logs={"Kafka": 500},
        memory={"worker": Memory(memory, 2 * memory)},
        idle_millicores={"worker": 20},
        yardsticks_us={},
    )


def test_runs_are_added_to_those_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    add(run_of(40), "a machine", file)
    costs = add(run_of(60, memory=90), "a machine", file)
    assert read(file) == costs
    assert costs.cpu_us("fold", "worker") == 50
    assert costs.cpu_us("fold", "broker") == 0
    assert costs.memory("worker") == Memory(100, 200)
    assert costs.spread("fold", "worker") == pytest.approx(0.4)


def test_a_run_of_one_bus_does_not_count_where_it_has_measured_nothing(tmp_path: Path) -> None:
    file, other = tmp_path / "costs.json", run_of(60)
    add(run_of(40), "a machine", file)
    partly = msgspec.structs.replace(other, works={"relay": other.works["fold"]}, logs={})
    costs = add(partly, "a machine", file)
    assert (costs.cpu_us("fold", "worker"), costs.cpu_us("relay", "worker")) == (40, 60)
    assert costs.log_bytes("Kafka") == 500


def test_growth_is_kept_when_a_run_is_added_and_replaced_when_it_is_measured_again(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    add(run_of(40), "a machine", file)
    add_growth({"fold": Grown(10, 15, "us")}, file)
    assert add(run_of(50), "a machine", file).grown("fold") == 1.5
    assert add_growth({"fold": Grown(10, 20, "us")}, file).grown("fold") == 2
    assert read(file).grown("what was not measured") == 1
    assert len(read(file).runs) == 2


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text('{"machine": "a machine", "runs": [{"works": 1}]}')
    with pytest.raises(msgspec.ValidationError):
        read(file)
