"""A question to an API, its answer, and how two answers differ."""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.upgrade.house import House


@dataclass(frozen=True)
class Question:
    service: str
    tenant: str
    path: str
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Any = None
    """Of a POST; without one it is a GET."""
    headers: Mapping[str, str] = field(default_factory=dict)
    without: str | None = None
    """A scope that the token lacks."""

    def __str__(self) -> str:
        return json.dumps({key: value for key, value in asdict(self).items() if value})


@dataclass(frozen=True)
class Answered:
    question: Question
    status: int
    answer: Any


async def ask(house: House, question: Question) -> Answered:
    tenant = house.tenant(question.service, question.tenant)
    if question.without:
        tenant = tenant.without(question.without)
    if question.body is None:
        answer = await tenant.get(question.path, **question.query)
    else:
        answer = await tenant.post(question.path, question.body, **question.headers)
    if answer.headers["content-type"].startswith("application/x-ndjson"):
        said: Any = [json.loads(line) for line in answer.text.splitlines()]
    else:
        said = json.loads(answer.text, object_hook=_without_freshness)
    if answer.status_code >= 400:  # their texts are no contract
        said = {name: said[name] for name in ("type", "status")}
    return Answered(question, int(answer.status_code), said)


def _without_freshness(of: dict[str, Any]) -> dict[str, Any]:
    """Freshness comes with every figure, and is the same in all: one question asks for it by itself."""
    return {name: value for name, value in of.items() if name != "freshness"}


def differences(old: Any, new: Any, where: str = "") -> Iterator[str]:
    """Yields where the new answer differs from the old one. An object may have gained fields, as contracts may, and
    floats may differ in the last digits, which depend on the order of the sum."""
    if isinstance(old, dict) and isinstance(new, dict):
        for name, value in old.items():
            if name not in new:
                yield f"{where}.{name} is gone"
            else:
                yield from differences(value, new[name], f"{where}.{name}")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{where}: {len(old)} became {len(new)}"
        for index, (left, right) in enumerate(zip(old, new, strict=False)):
            yield from differences(left, right, f"{where}[{index}]")
    elif isinstance(old, float) and isinstance(new, float):
        if not math.isclose(old, new, rel_tol=1e-9, abs_tol=1e-9):
            yield f"{where}: {old} became {new}"
    elif (type(old), old) != (type(new), new):
        yield f"{where}: {old!r} became {new!r}"


def write_answers(file: Path, answered: Sequence[Answered]) -> None:
    lines = [json.dumps(_plainly(each), separators=(",", ":"), ensure_ascii=False) for each in answered]
    file.write_text("\n".join([*lines, ""]))


def read_answers(file: Path) -> list[Answered]:
    found = [json.loads(line) for line in file.read_text().splitlines()]
    return [Answered(Question(**each["ask"]), each["status"], each["answer"]) for each in found]


def _plainly(each: Answered) -> dict[str, Any]:
    question = {key: value for key, value in asdict(each.question).items() if value not in (None, {})}
    return {"ask": question, "status": each.status, "answer": each.answer}
