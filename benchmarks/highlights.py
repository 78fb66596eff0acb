"""The few figures that README and docs quote, as Markdown from committed results."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.record import duration

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
        "Does it run on a GPU?": _gpu_briefly(found["gpu"]),
        "What is the licence of the weights?": "<br>".join(
            ["Apache-2.0, like the code.", *map(_data, models)]
        ),
    }
    lines = [f"| {question} | {answer} |" for question, answer in rows.items()]
    return "\n".join(["| Question | Answer |", "|---|---|", *lines])


def gpu(content: Mapping[str, Any]) -> str:
    """A list: what a `gpu.json` shows to have run, and what not."""
    if not content["machine"]["gpu"]:
        return _gpu_briefly(content)
    tried = _at_size(content)
    times = [_timed(r) for r in tried if "latency" in r] or ["not measured"]
    compared = (content["fidelity"] or {"candidates": {}})["candidates"].values()
    passed = sum(not candidate["problems"] for candidate in compared)
    checks = content["device"].values()
    problems = [r["candidate"] for r in tried if "not_run" in r] + [*content["problems"]]
    lines = [
        f"- Tested: {_on_which(content)}.",
        f"- CUDA layer: {sum(c == 'passes' for c in checks)} of {len(checks)} checks passed.",
        f"- Fidelity: {passed} of {len(compared)} engines within tolerance.",
        f"- {_engines(content)}" if _engines(content) else "",
        f"- Time of a frame of {SIZE}:",
        *(f"    - {time}" for time in times),
        "- Did not run or pass:",
        *(f"    - {problem}" for problem in problems or ["nothing"]),
    ]
    return "\n".join(filter(None, lines))


def _gpu_briefly(content: Mapping[str, Any]) -> str:
    """In a cell of a table: what a `gpu.json` shows of the runtime, so without PyTorch."""
    if not content["machine"]["gpu"]:
        tools = sorted({build["engine"] for build in content["builds"]})
        built = f" Engines were built without one, by {', '.join(tools)}." if tools else ""
        return f"**Nothing has been run on a GPU yet.**{built}"
    timed = [r for r in _at_size(content) if "latency" in r and "PyTorch" not in r["candidate"]]
    times = "; ".join(map(_timed, timed)) or "not measured"
    return f"{_on_which(content)}, {SIZE}: {times}. {_engines(content)}".strip()


def _on_which(content: Mapping[str, Any]) -> str:
    machine, model = content["machine"], Path(content["checkpoint"]).stem
    return f"`{model}` on {machine['gpu']['name']}, {machine['measured'][:10]}"


def _engines(content: Mapping[str, Any]) -> str:
    ran = any("TensorRT" in r["candidate"] and "latency" in r for r in _results(content))
    return "" if ran else "**No TensorRT engine has run on a GPU yet.**"


def _results(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return (content["latency"] or {"results": []})["results"]


def _at_size(content: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [r for r in _results(content) if r["size"] == SIZE]


def _timed(result: Mapping[str, Any]) -> str:
    return f"{result['candidate']}: {duration(result['latency']['percentiles'][0])}"


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
    return f"`{model['name']}`: {duration(speed['seconds'][SIZE])} ({speed['measured']})"


def _data(model: Mapping[str, Any]) -> str:
    return f"`{model['name']}` was trained on {model['data']}."
