"""Option files of SHIP's and FISCNet's authors as configs: `python -m training --opt FILE`.

See `ship_deploy.options`. What their training code does whatever a file says is in `ALWAYS`.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ship_deploy.errors import UserError
from ship_deploy.options import Options, Rule, network, only, read_options, remark, translate
from training.config import Config, check_config
from training.data import LAYOUTS, SALIENCY

ALWAYS: dict[str, Any] = {
    "loss.clamp": True,
    "loss.mask": 0,  # what the file has no loss for
    "loss.intensity": 0,
    "loss.gradient": 0,
    "optimiser.clip": None,
}
LOSSES = {
    "MaskFusionL1loss": "loss.mask",
    "MaxFusionloss": "loss.intensity",
    "GradientFusionloss": "loss.gradient",
}


def to(key: str) -> Rule:
    """A rule for a setting that is one of ours."""
    return lambda value, section, options: {key: value}


def whole(key: str) -> Rule:
    """The same for a count that may be written as 1e3."""
    return lambda value, section, options: {key: int(value)}


def _devices(value: Any, section: Options, options: Options) -> Mapping[str, Any]:
    if not isinstance(value, int):
        raise UserError("expected a number of GPUs; 0 for the CPU")
    return {"run.devices": value} if value else {"run.accelerator": "cpu"}


def _batch(value: Any, section: Options, options: Options) -> Mapping[str, Any]:
    return {"data.batch": value * max(options.get("num_gpu", 1), 1)}


def _pairs(section: Options) -> Path:
    """The folder that holds both of theirs."""
    visible, infrared = Path(section["dataroot_lq"]), Path(section.get("dataroot_gt", ""))
    names = visible.name.lower(), infrared.name.lower()
    if visible.parent != infrared.parent or names not in [
        (ours.lower(), theirs.lower()) for ours, theirs in LAYOUTS
    ]:
        known = ", ".join("/ and ".join(layout) + "/" for layout in LAYOUTS)
        raise UserError(
            f"with dataroot_gt {infrared}: expected two folders side by side, called {known}"
        )
    return visible.parent


def _train_folder(value: Any, section: Options, options: Options) -> Mapping[str, Any]:
    return {"data.folders": [{"path": str(_pairs(section))}]}


def _validation_folder(value: Any, section: Options, options: Options) -> Mapping[str, Any]:
    return {"validation.folders": [str(_pairs(section))]}


def _saliency(value: Any, section: Options, options: Options) -> str:
    folder = Path(value)
    if folder.name not in SALIENCY or folder.parent != _pairs(section):
        raise UserError(f"expected {' or '.join(SALIENCY)} beside dataroot_lq")
    return "read as saliency" if folder.is_dir() else "not there; saliency is computed instead"


def _loss(value: Any, section: Options, options: Options) -> Mapping[str, Any]:
    if value not in LOSSES:
        raise UserError(f"unknown loss; expected {', '.join(LOSSES)}")
    return {LOSSES[value]: section.get("loss_weight", 1.0)}


def _start(value: Any, section: Options, options: Options) -> Mapping[str, Any] | str:
    return {"run.weights": value} if value else "random weights"


RULES: Mapping[str, Rule] = {
    "name": to("run.name"),
    "model_type": only("FusionMaskModel"),
    "scale": only(1),
    "num_gpu": _devices,
    "manual_seed": to("run.seed"),
    "use_tb_logger": remark("always, for TensorBoard"),
    "logger.use_tb_logger": remark("the same"),
    "datasets.*.type": only("PairedFusionMaskImageDataset"),
    "datasets.*.io_backend.type": only("disk"),
    "datasets.*.name": remark("a name only"),
    "datasets.*.dataroot_gt": remark("the infrared frames of the same folder"),
    "datasets.*.filename_tmpl": only("{}"),
    "datasets.train.dataroot_lq": _train_folder,
    "datasets.val*.dataroot_lq": _validation_folder,
    "datasets.train.dataroot_mask": _saliency,
    "datasets.val*.dataroot_mask": remark("not needed"),
    "datasets.train.gt_size": to("data.crop"),
    "datasets.train.use_flip": only(True, "always"),
    "datasets.train.use_rot": only(True, "always"),
    "datasets.train.use_shuffle": only(True, "always"),
    "datasets.train.num_worker_per_gpu": to("data.workers"),
    "datasets.train.batch_size_per_gpu": _batch,
    "datasets.train.dataset_enlarge_ratio": remark("no counterpart: each crop is drawn anew"),
    "network_g.type": lambda value, s, o: {"network.name": network(value, s, o)},
    "network_g.vis_channels": only(1),
    "network_g.inf_channels": only(1),
    "network_g.n_feat": to("network.channels"),
    "path.pretrain_network_g": _start,
    "path.strict_load_g": remark("always"),
    "path.param_key_g": remark("the average if there is one"),
    "path.resume_state": only(None, "run.resume=true goes on with a run of ours"),
    "train.ema_decay": to("optimiser.average"),
    "train.optim_g.type": only("Adam"),
    "train.optim_g.lr": to("optimiser.learning_rate"),
    "train.optim_g.weight_decay": only(0),
    "train.optim_g.betas": only([0.9, 0.999]),
    "train.scheduler.type": lambda value, section, options: (
        only("MultiStepLR")(value, section, options) and {"optimiser.schedule": "steps"}
    ),
    "train.scheduler.milestones": to("optimiser.milestones"),
    "train.scheduler.gamma": to("optimiser.factor"),
    "train.total_iter": whole("optimiser.iterations"),
    "train.warmup_iter": lambda value, s, o: {"optimiser.warmup": max(int(value), 0)},
    "train.dual": only(False),
    "train.*_opt.type": _loss,
    "train.*_opt.loss_weight": remark("its weight"),
    "train.*_opt.reduction": only("mean"),
    "val.val_freq": whole("validation.every"),
    "val.save_img": lambda value, s, o: {"validation.panels": 4 if value else 0},
    "logger.save_checkpoint_freq": whole("run.save_every"),
}


def load_options(path: Path, overrides: Iterable[str] = ()) -> tuple[Config, list[str]]:
    """Read an option file as a config.

    Args:
        path: of a training.
        overrides: as those of `load_config`.

    Returns:
        The config, and a line on what became of each setting.

    Raises:
        UserError: the file cannot be read, asks for what has no counterpart, or is no good.
    """
    found = translate(path, read_options(path), RULES)
    content: dict[str, Any] = {}
    for key, value in {**ALWAYS, **found.settings}.items():
        section, name = key.split(".")
        content.setdefault(section, {})[name] = value
    always = ", ".join(
        f"{key}={value}" for key, value in ALWAYS.items() if key not in found.settings
    )
    return check_config(path, content, overrides), [*found.lines, f"(always) -> {always}"]
