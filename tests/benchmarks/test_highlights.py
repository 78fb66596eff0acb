import pytest

from benchmarks import highlights

BUILDS = [{"engine": "tensorrt-rtx 1.7"}, {"engine": "tensorrt-rtx 1.7"}]
NOTHING = {
    "machine": {"gpu": None, "measured": "2026-11-23T15:55+00:00"},
    "builds": BUILDS,
    "problems": {"Latency": "no driver"},
    "latency": None,
    "fidelity": None,
    "device": {},
    "checkpoint": "ship.safetensors",
}


@pytest.fixture
def ran():
    """A `gpu.json` of a GPU where one of two candidates ran, and one engine is out of tolerance."""
    quick = {"percentiles": [0.0123, 0.02, 0.03, 0.04]}
    return {
        **NOTHING,
        "machine": {**NOTHING["machine"], "gpu": {"name": "NVIDIA X"}},
        "device": {"memory": "passes", "graph": "**fails**"},
        "latency": {
            "results": [
                {"size": "480x640", "candidate": "A, FP32", "latency": quick},
                {"size": "480x640", "candidate": "B, FP32", "not_run": "no driver"},
                {"size": "256x320", "candidate": "C, FP32", "latency": quick},
            ]
        },
        "fidelity": {"candidates": {"a": {"problems": []}, "b": {"problems": ["far off"]}}},
    }


def test_says_that_nothing_ran_where_there_was_no_gpu():
    assert highlights.gpu(NOTHING) == (
        "**Nothing has been run on a GPU yet.** Engines were built without one, by "
        "tensorrt-rtx 1.7."
    )


def test_says_what_ran_on_a_gpu_and_what_did_not(ran):
    assert highlights.gpu(ran).splitlines() == [
        "- Tested: `ship` on NVIDIA X, 2026-11-23.",
        "- CUDA layer: 1 of 2 checks passed.",
        "- Fidelity: 1 of 2 engines within tolerance.",
        "- **No TensorRT engine has run on a GPU yet.**",
        "- Time of a frame of 480x640:",
        "    - A, FP32: 12.3 ms",
        "- Did not run or pass:",
        "    - B, FP32",
        "    - Latency",
    ]


def test_says_that_everything_ran_on_a_gpu(ran):
    quick = ran["latency"]["results"][0]
    engine = {**quick, "candidate": "TensorRT, FP16"}
    content = {**ran, "problems": {}, "latency": {"results": [quick, engine]}}
    assert highlights.gpu(content).splitlines()[2:] == [
        "- Fidelity: 1 of 2 engines within tolerance.",
        "- Time of a frame of 480x640:",
        "    - A, FP32: 12.3 ms",
        "    - TensorRT, FP16: 12.3 ms",
        "- Did not run or pass:",
        "    - nothing",
    ]


def test_the_status_says_how_the_runtime_ran_on_a_gpu(ran):
    """Not how PyTorch did: who reads the status wants to deploy."""
    ran["latency"]["results"].append({**ran["latency"]["results"][0], "candidate": "PyTorch"})
    assert highlights.status({"gpu": ran, "models": []}).splitlines()[3] == (
        "| Does it run on a GPU? | `ship` on NVIDIA X, 2026-11-23, 480x640: A, FP32: "
        "12.3 ms. **No TensorRT engine has run on a GPU yet.** |"
    )


def test_the_status_has_a_line_for_every_model():
    measured = {"seconds": {"480x640": 2.49}, "measured": "2 threads of X"}
    models = [
        {"name": "ship", "speed": measured, "data": "streets"},
        {"name": "small", "speed": None, "data": "roads"},
    ]
    assert highlights.status({"gpu": NOTHING, "models": models}).splitlines()[2:] == [
        "| How fast is it on a CPU, at 480x640? | `ship`: 2.49 s (2 threads of X)<br>"
        "`small`: not measured yet |",
        f"| Does it run on a GPU? | {highlights.gpu(NOTHING)} |",
        "| What is the licence of the weights? | Apache-2.0, like the code.<br>"
        "`ship` was trained on streets.<br>`small` was trained on roads. |",
    ]


def test_counts_the_metrics_that_a_baseline_wins():
    ranks = {"ours": {"EN": 1, "MI": 2, "CC": 1}, "visible": {"EN": 2, "MI": 1, "CC": 1}}
    summary = {m: {k: {"rank": rank} for k, rank in r.items()} for m, r in ranks.items()}
    content = {
        "metrics": {"EN": {}, "MI": {}, "CC": {}},
        "methods": {"ours": "ship.onnx", "visible": "baseline"},
        "data": {"TNO": {"summary": summary}},
    }
    assert highlights.baselines(content) == (
        "- On TNO a baseline ranks first, alone or not, in 2 of 3 metrics (visible: MI, CC)."
    )
