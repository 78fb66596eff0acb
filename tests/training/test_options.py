"""`python -m training --opt`: option files of SHIP's authors become configs, or say what cannot."""

import subprocess
import sys
from pathlib import Path

import cv2
import pytest
import yaml
from safetensors import safe_open

from ship_deploy import UserError
from training.config import Pairs, load_config
from training.data import read_folders
from training.options import load_options

PUBLISHED = Path(__file__).parents[2] / "configs" / "published.yaml"


def published(folder: Path) -> dict:
    """The settings of a published training, as the option files write them."""
    pairs = {
        "name": "M3FD",
        "type": "PairedFusionMaskImageDataset",
        "dataroot_gt": f"{folder}/Ir",
        "dataroot_lq": f"{folder}/Vis",
        "dataroot_mask": f"{folder}/mask_vi",
        "io_backend": {"type": "disk"},
    }
    crops = {"gt_size": 128, "use_flip": True, "use_rot": True, "use_shuffle": True}
    loading = {"num_worker_per_gpu": 6, "batch_size_per_gpu": 4, "dataset_enlarge_ratio": 10}
    losses = {
        "pixel": ("Mask", "L1", 3.0),
        "max": ("Max", "", 10.0),
        "gradient": ("Gradient", "", 10.0),
    }
    return {
        "name": "theirs",
        "model_type": "FusionMaskModel",
        "scale": 1,
        "num_gpu": 1,
        "manual_seed": 10,
        "datasets": {"train": {**pairs, **crops, **loading, "prefetch_mode": None}, "val": pairs},
        "network_g": {"type": "FISCNet", "vis_channels": 1, "inf_channels": 1, "n_feat": 16},
        "path": {"pretrain_network_g": None, "strict_load_g": True, "resume_state": None},
        "train": {
            "ema_decay": 0.0,
            "optim_g": {"type": "Adam", "lr": 1e-4, "weight_decay": 0, "betas": [0.9, 0.999]},
            "scheduler": {"type": "MultiStepLR", "milestones": [15000, 25000], "gamma": 0.75},
            "total_iter": 100000,
            "warmup_iter": -1,
            "dual": False,
            **{
                f"{name}_opt": {
                    "type": f"{kind}Fusion{norm}loss",
                    "loss_weight": weight,
                    "reduction": "mean",
                }
                for name, (kind, norm, weight) in losses.items()
            },
        },
        "val": {"val_freq": 1e3, "save_img": True, "suffix": True},
        "logger": {"print_freq": 100, "save_checkpoint_freq": 2e3, "use_tb_logger": True},
    }


def write(folder: Path, options: dict) -> Path:
    path = folder / "options.yml"
    path.write_text(yaml.safe_dump(options, sort_keys=False))
    return path


def test_a_published_training_is_that_of_published_yaml(tmp_path):
    config, lines = load_options(write(tmp_path, published(tmp_path)))
    expected = load_config(
        PUBLISHED, ["network.name=fiscnet", f"data.folders=[{{path: {tmp_path}}}]"]
    )

    assert config.loss == expected.loss
    assert config.optimiser == expected.optimiser
    assert config.network == expected.network
    assert config.augmentation == expected.augmentation
    assert config.data == expected.data.model_copy(update={"workers": 6})
    assert (config.run.name, config.run.seed, config.run.save_every) == ("theirs", 10, 2000)
    assert config.validation.folders == [Pairs(path=tmp_path)] and config.validation.every == 1000
    said = "\n".join(lines)
    assert "train.optim_g.lr: 0.0001 -> optimiser.learning_rate=0.0001" in said
    assert "val.suffix: true -> no counterpart" in said
    assert "loss.clamp=True" in lines[-1]


def settings(options: dict, prefix: str = "") -> set[str]:
    found = set()
    for name, value in options.items():
        inner = settings(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
        found |= inner
    return found


def test_every_setting_has_a_line(tmp_path):
    options = published(tmp_path)
    _, lines = load_options(write(tmp_path, options))
    assert {line.partition(": ")[0] for line in lines[:-1]} == settings(options)


@pytest.mark.parametrize(
    ("keys", "value", "message"),
    [
        ("network_g type", "UNet", "network_g.type: UNet: unknown network; expected highOrder"),
        ("train optim_g type", "SGD", "train.optim_g.type: SGD: has no counterpart; expected Adam"),
        ("train optim_g weight_decay", 0.1, "weight_decay: 0.1: has no counterpart; expected 0"),
        ("train scheduler type", "CosineAnnealingRestartLR", "scheduler.type: Cosine"),
        ("train max_opt type", "SSIMloss", "train.max_opt.type: SSIMloss: unknown loss"),
        ("datasets train io_backend type", "lmdb", "io_backend.type: lmdb: has no counterpart"),
        ("datasets train dataroot_gt", "/elsewhere/Ir", "expected two folders side by side"),
        ("datasets train dataroot_mask", "/elsewhere/mask_vi", "expected saliency or mask_vi"),
        ("path resume_state", "9.state", "path.resume_state: 9.state: has no counterpart"),
        ("num_gpu", "many", "num_gpu: many: expected a number of GPUs"),
    ],
)
def test_what_would_train_something_else_is_refused(tmp_path, keys, value, message):
    options = published(tmp_path)
    *sections, name = keys.split()
    section = options
    for key in sections:
        section = section[key]
    section[name] = value
    with pytest.raises(UserError, match=message) as error:
        load_options(write(tmp_path, options))
    assert "\n" not in str(error.value)


def test_losses_that_are_not_there_count_nothing(tmp_path):
    options = published(tmp_path)
    del options["train"]["pixel_opt"]
    config, _ = load_options(write(tmp_path, options), ["run.name=mine"])
    assert (config.loss.mask, config.loss.gradient, config.run.name) == (0, 10, "mine")


@pytest.fixture
def m3fd(pairs, tmp_path) -> Path:
    """The pairs as M3FD lays them out, with saliency of one value."""
    for kind, name in (("visible", "Vis"), ("infrared", "Ir"), ("visible", "mask_vi")):
        (tmp_path / name).mkdir()
        for path in (pairs / kind).iterdir():
            image = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            cv2.imwrite(
                str(tmp_path / name / path.name), 0 * image + 77 if name[0] == "m" else image
            )
    return tmp_path


def test_mask_vi_is_saliency(m3fd):
    ((pair, _),) = read_folders("data.folders", [Pairs(path=m3fd)], 16)
    assert (pair.frames[2] == 77).all()


def test_a_training_by_an_option_file(m3fd):
    options = published(m3fd)
    options["num_gpu"] = 0
    options["network_g"]["n_feat"] = 4
    options["datasets"]["train"] |= {
        "gt_size": 16,
        "batch_size_per_gpu": 1,
        "num_worker_per_gpu": 0,
    }
    options["train"]["total_iter"] = 2
    options["datasets"].pop("val")
    more = ["network.levels=1", f"run.folder={m3fd}"]

    command = [sys.executable, "-m", "training", "--opt", str(write(m3fd, options)), *more]
    result = subprocess.run(command, capture_output=True, text=True, timeout=300)

    assert result.returncode == 0, result.stderr
    assert "network_g.type: FISCNet -> network.name=fiscnet" in result.stderr
    with safe_open(result.stdout.split()[-1], "np") as file:
        about = file.metadata()
    assert (about["network"], about["step"]) == ("FISCNet", "2")
