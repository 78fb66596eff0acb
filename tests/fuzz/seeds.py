"""What the attacks begin with: sound inputs of each kind, small, and the same in every run."""

import hashlib
import io
import json
import subprocess
import tempfile
from functools import cache
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from mcap.writer import CompressionType

from tests.ship_deploy.adapters.recordings import drive, write_mcap
from training.scenes import render

SIZE = (16, 24)


def encode(suffix: str, image: np.ndarray, *options: int) -> bytes:
    return cv2.imencode(suffix, image, options)[1].tobytes()


def images() -> list[bytes]:
    colour, grey = render(0, *SIZE)
    counts = grey.astype(np.uint16) * 20 + 7000
    return [
        *(encode(suffix, colour) for suffix in (".png", ".jpg", ".bmp", ".tif", ".webp", ".ppm")),
        *(encode(suffix, counts) for suffix in (".png", ".tif", ".pgm")),
        encode(".jpg", colour, cv2.IMWRITE_JPEG_PROGRESSIVE, 1),
        encode(".webp", np.dstack([colour, grey]), cv2.IMWRITE_WEBP_QUALITY, 101),
        encode(".pgm", grey, cv2.IMWRITE_PXM_BINARY, 0),
        encode(".tif", grey.astype(np.float32)),
    ]


def maps() -> list[bytes]:
    dead = np.zeros(SIZE, np.uint8)
    dead[3, 4] = dead[9, 20] = 255
    return [encode(".png", dead), encode(".bmp", dead)]


@cache
def model() -> bytes:
    """An ONNX model of the interface that frames have, not sealed; it returns the visible frame."""
    from onnx import TensorProto, checker, helper, numpy_helper

    u8 = TensorProto.UINT8
    graph = helper.make_graph(
        [
            helper.make_node("Unsqueeze", ["infrared", "axes"], ["one"]),
            helper.make_node("Max", ["visible", "one"], ["fused"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("visible", u8, ["N", "H", "W", 3]),
            helper.make_tensor_value_info("infrared", u8, ["N", "H", "W"]),
        ],
        [helper.make_tensor_value_info("fused", u8, ["N", "H", "W", 3])],
        [numpy_helper.from_array(np.array([3]), "axes")],
    )
    made = helper.make_model(
        graph, producer_name="ship-deploy", opset_imports=[helper.make_opsetid("", 18)]
    )
    checker.check_model(made)
    about = {"graph": "frames", "precision": "fp32", "config": '{"channels": 4}', "size": "any"}
    helper.set_model_props(made, about)
    return made.SerializeToString()


def artifacts() -> list[bytes]:
    from ship_deploy.artifact import seal

    return [seal(model()), model()]


def passports() -> list[bytes]:
    size = [1, 16, 16]
    recipe = {
        "model": "m.onnx",
        "model_digest": "0" * 64,
        "metadata": {"network": "SHIP", "precision": "fp32", "size": "any"},
        "flavour": "tensorrt-rtx",
        "version": "1.2",
        "package_version": "0.1",
        "compute_capabilities": ["8.6"],
        "gpu": {"name": "A2000", "compute_capability": "8.6", "driver": "13.0"},
        "profile": {"min": size, "opt": size, "max": [2, 64, 64]},
        "workspace": None,
    }
    engine = {"digest": hashlib.sha256(b"engine").hexdigest(), "bytes": 6}
    return [json.dumps({"format": 1, "engine": engine, **recipe}).encode()]


def calibrations() -> list[bytes]:
    fields = {
        "format": "ship-deploy calibration 1",
        "homography": [[1.5, 0.01, 20], [0, 1.5, 12], [0, 0, 1]],
        "infrared_size": [64, 80],
        "visible_size": [120, 160],
        "rms": 0.4,
        "worst": 1.2,
        "points": 12,
        "method": "chessboard",
    }
    return [json.dumps(fields).encode()]


def points() -> list[bytes]:
    rows = ["infrared_x,infrared_y,visible_x,visible_y"]
    places = [(10, 10), (300, 12), (290, 240), (20, 230), (150, 100), (80, 200)]
    rows += [f"{x},{y},{2 * x + 5},{2 * y + 3}" for x, y in places]
    return ["\n".join(rows).encode()]


def pairs() -> list[bytes]:
    return [
        b"visible,infrared\na.png,b.png\nc.png,d.tif\n",
        b'\xef\xbb\xbfinfrared,visible\n"a",b\n',
    ]


def videos() -> list[bytes]:
    """Three frames in each container; AVI alone where there is no `ffmpeg`."""
    frames = [render(seed, 32, 48)[0] for seed in range(3)]
    jpegs = [encode(".jpg", frame) for frame in frames]
    part = b"--b\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n"
    made = [b"".join(part % (len(jpeg), jpeg) for jpeg in jpegs)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.avi"
        writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"MJPG"), 25, (48, 32))
        for frame in frames:
            writer.write(frame)
        writer.release()
        made.append(path.read_bytes())
        for name, codec in (("a.mp4", "mpeg4"), ("a.mkv", "ffv1"), ("b.mp4", "libx264")):
            command = ["ffmpeg", "-v", "error", "-i", path, "-c:v", codec, path.with_name(name)]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError):
                continue
            made.append(path.with_name(name).read_bytes())
    return made


@cache
def checkpoint() -> tuple[bytes, bytes]:
    """A small network as we write it, and a few tensors of SHIP as PyTorch does."""
    import torch

    from training.checkpoints import save_network
    from training.networks import SHIP
    from training.networks.compact import Compact

    torch.manual_seed(0)
    network = Compact(channels=1, orders=1, survey=(1, 1), context=1)
    few = dict(list(SHIP(channels=2, interactions=1, orders=1).state_dict().items())[:4])
    content = io.BytesIO()
    torch.save({"params": few}, content)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.safetensors"
        save_network(network, path, step="1")
        return path.read_bytes(), content.getvalue()


def configs() -> list[bytes]:
    folder = Path(__file__).parents[2] / "configs"
    return [path.read_bytes() for path in sorted(folder.glob("*.yaml"))]


def entries() -> list[bytes]:
    made = []
    for order in "CF":
        content = io.BytesIO()
        np.save(content, np.zeros((4, *SIZE), np.uint8, order))
        made.append(content.getvalue())
    return made


def requests() -> list[bytes]:
    paths = ["/", "/?token=secret", "/frame?after=1", "/fused.jpg", "/status.json", "/metrics"]
    paths += ["/healthz", "/fused.mjpg", "/none"]
    header = "Host: localhost\r\nAuthorization: Bearer secret\r\n"
    made = [f"GET {path} HTTP/1.1\r\n{header}\r\n" for path in paths]
    made.append("GET / HTTP/1.1\r\nHost: localhost\r\nCookie: ship-deploy-token=secret\r\n\r\n")
    made.append("HEAD / HTTP/1.0\r\n\r\n")
    return [text.encode() for text in [*made, made[0] + made[4]]]


def recordings() -> list[bytes]:
    """A beginning of a drive, in chunks of each kind."""
    kinds = (("cdr", CompressionType.NONE), ("cdr", CompressionType.LZ4))
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for encoding, compression in (*kinds, ("ros1", CompressionType.ZSTD)):
            messages = islice(drive(encoding, encoding == "ros1", size=SIZE), 3)
            path = write_mcap(Path(folder) / "drive.mcap", messages, compression)
            found.append(path.read_bytes())
    return found


def index() -> bytes:
    told = {"file": "night-1.mp4", "begin": "2026-11-25T14:00:00.000+00:00", "rate": 25.0}
    end = {"end": "2026-11-25T14:10:00.000+00:00", "bytes": 1000, "why": "segment"}
    other = told | {"file": "2026/night-2.mp4"}
    lines = [{"event": "begin", **told}, {"event": "end", **told, **end}]
    lines += [{"event": "end", **other, **end}, {"event": "removed", **other}]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def measurements() -> bytes:
    from ship_deploy.bench.records import FUSE, Measurement, Record

    about = {"model": "ship-s", "digest": "0" * 64, "precision": "fp32", "backend": "onnxruntime"}
    result = Measurement(
        **(about | {"what": FUSE, "device": "cpu", "threads": 2, "size": "16x16", "warm_up": 1}),
        samples=[0.01 * n for n in range(1, 30)],
        watts={"package": 12.5},
    )
    machine = {"processor": "a processor", "cores": "2"}
    return Record("here", machine, "2026-11-25T14:00:00", [50.0], [result]).content()


def seeds(target: str) -> list[bytes]:
    """Inputs that a target accepts."""
    match target:
        case "artifact":
            return artifacts()
        case "sealed":
            return [model()]
        case "passport":
            return passports()
        case "calibration":
            return calibrations()
        case "points":
            return points()
        case "pairs":
            return pairs()
        case "images":
            return images()
        case "dead_pixels":
            return maps()
        case "video":
            return videos()
        case "recording":
            return recordings()
        case "safetensors":
            return [checkpoint()[0]]
        case "pth":
            return [checkpoint()[1]]
        case "config":
            return configs()
        case "decoded":
            return entries()
        case "recording_index":
            return [index()]
        case "bench":
            return [measurements()]
        case "requests":
            return requests()
        case _:
            raise KeyError(target)
