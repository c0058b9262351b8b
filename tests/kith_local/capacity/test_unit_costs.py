"""Unit costs are those of all runs on a machine, and say how far these lie apart."""

from pathlib import Path

import msgspec
import pytest

from kith_local.capacity.unit_costs import Memory, Run, Stored, Work, add, read


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
    assert costs.spread(lambda run: run.works["fold"].cpu_us["worker"]) == pytest.approx(0.4)


def test_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "costs.json"
    file.write_text('{"machine": "a machine", "runs": [{"works": 1}]}')
    with pytest.raises(msgspec.ValidationError):
        read(file)
