"""The figures in the catalogue of bundled models: from committed results, never typed by hand."""

import json
from pathlib import Path
from typing import Any

from ship_deploy.artifact import read_artifact
from ship_deploy.models import CATALOGUE
from training.checkpoints import digest

PATH = next(iter(CATALOGUE.values())).path.with_name("catalogue.json")


def update(catalogue: str, results: Path) -> str:
    """The catalogue with the figures of every model that the results know by its digest.

    Args:
        catalogue: its JSON.
        results: folder of `latency*.json`, `targets*.json` and `quality*.json`.
    """
    entries = json.loads(catalogue)
    for entry in entries:
        path = PATH.with_name(entry["file"])
        records = [json.loads(p.read_text("utf-8")) for p in sorted(results.glob("*.json"))]
        entry["speed"] = next(filter(None, (_speed(path, r) for r in records)), None)
        entry["kept"] = next(filter(None, (_kept(path, r) for r in records)), None)
        entry["quality"] = next(filter(None, (_quality(path, r) for r in records)), None)
    return json.dumps(entries, indent=2, ensure_ascii=False) + "\n"


def _speed(path: Path, record: dict[str, Any]) -> dict[str, Any] | None:
    """Medians of ONNX Runtime on the CPU, if the record is one of latency of these weights."""
    metadata = read_artifact(path).metadata
    if record.get("checkpoint_digest") != metadata["checkpoint_digest"] or "rates" not in record:
        return None
    candidate = f"ONNX Runtime, CPU, {metadata['precision'].upper()}"
    machine = record["machine"]
    seconds = {
        r["size"]: _rounded(r["latency"]["percentiles"][0])
        for r in record["results"]
        if r["candidate"] == candidate
    }
    about = f"ONNX Runtime {machine['onnxruntime']}, {record['threads']} threads of "
    about += f"{machine['processor']}, {machine['measured'][:10]}"
    return {"seconds": seconds, "measured": about} if seconds else None


def _kept(path: Path, record: dict[str, Any]) -> dict[str, Any] | None:
    """What the method that is this file keeps of real pairs, if the record is one of targets."""
    if "lost_below" not in record:
        return None
    for method, about in record["methods"].items():
        if digest(path)[:12] in about and (data := record["data"].get("real")):
            found = data["summary"][method]
            names = {"lost": "lost", "targets": "kept", "detail": "detail"}
            kept = {name: _rounded(found[measure]["value"]) for name, measure in names.items()}
            date = record["machine"]["measured"][:10]
            return kept | {"measured": f"{data['targets']} targets of real pairs, {date}"}
    return None


def _quality(path: Path, record: dict[str, Any]) -> dict[str, Any] | None:
    """Means of the method that is this file, if the record is one of quality and has it."""
    if "convention" not in record:
        return None
    for method, about in record["methods"].items():
        if digest(path)[:12] in about:
            means = {
                data: {name: _rounded(m["mean"]) for name, m in found["summary"][method].items()}
                for data, found in record["data"].items()
            }
            date = record["machine"]["measured"][:10]
            return {"means": means, "measured": f"{record['convention']}, {date}"}
    return None


def _rounded(value: float) -> float:
    return float(f"{value:.3g}")
