"""The few figures that README and docs quote, as Markdown from committed results."""

from collections.abc import Mapping
from typing import Any

SIZE = "480x640"
BASELINE = "baseline"  # what quality.json says of a method that is no model


def status(found: Mapping[str, Any]) -> str:
    """A table: speed of the bundled models on a CPU, what ran on a GPU, licence of the weights.

    Args:
        found: name of a result -> its JSON: "gpu", and "models", the catalogue.
    """
    models = found["models"]
    rows = {
        f"How fast is it on a CPU, at {SIZE}?": "<br>".join(map(_speed, models)),
        "Does it run on a GPU?": gpu(found["gpu"]),
        "What is the licence of the weights?": "<br>".join(
            ["Apache-2.0, like the code.", *map(_data, models)]
        ),
    }
    lines = [f"| {question} | {answer} |" for question, answer in rows.items()]
    return "\n".join(["| Question | Answer |", "|---|---|", *lines])


def gpu(content: Mapping[str, Any]) -> str:
    """What a `gpu.json` shows to have run, and what did not."""
    facts = content["machine"]
    problems = ", ".join(content["problems"])
    if not facts["gpu"]:
        tools = sorted({build["engine"] for build in content["builds"]})
        built = f" Engines were built without one, by {', '.join(tools)}." if tools else ""
        return f"**Nothing has been run on a GPU yet.**{built}"
    said = [f"Run on {facts['gpu']['name']}, {facts['measured'][:10]}."]
    timed = [r for r in (content["latency"] or {"results": []})["results"] if r["size"] == SIZE]
    times = [
        f"{r['candidate']} {_time(r['latency']['percentiles'][0])}" for r in timed if "latency" in r
    ]
    if times:
        said.append(f"A frame of {SIZE}: {'; '.join(times)}.")
    compared = (content["fidelity"] or {"candidates": {}})["candidates"].values()
    if compared:
        passed = sum(not candidate["problems"] for candidate in compared)
        said.append(f"Within tolerance: {passed} of {len(compared)} engines.")
    said.append(f"Did not run or pass: {problems}." if problems else "Everything ran and passed.")
    return " ".join(said)


def baselines(content: Mapping[str, Any]) -> str:
    """How often a baseline ranks first in a `quality.json`, and which one."""
    lines = []
    for name, data in content["data"].items():
        won: dict[str, list[str]] = {}
        for metric in content["metrics"]:
            for method, about in content["methods"].items():
                if data["summary"][method][metric]["rank"] == 1 and about == BASELINE:
                    won.setdefault(method, []).append(metric)
        metrics = {metric for many in won.values() for metric in many}
        each = "; ".join(f"{method}: {', '.join(many)}" for method, many in won.items())
        lines.append(
            f"- On {name} a baseline ranks first, alone or not, in {len(metrics)} of "
            f"{len(content['metrics'])} metrics ({each})."
        )
    return "\n".join(lines)


def _speed(model: Mapping[str, Any]) -> str:
    speed = model["speed"]
    if not speed or SIZE not in speed["seconds"]:
        return f"`{model['name']}`: not measured yet"
    return f"`{model['name']}`: {_time(speed['seconds'][SIZE])} ({speed['measured']})"


def _data(model: Mapping[str, Any]) -> str:
    return f"`{model['name']}` was trained on {model['data']}."


def _time(seconds: float) -> str:
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"
