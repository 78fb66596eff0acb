"""The training run: what Lightning is told, and what is left on disk."""

import logging
import os
import warnings
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
import yaml
from lightning import Trainer, seed_everything
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from typing_extensions import override

from ship_deploy.errors import UserError
from ship_deploy.files import write_atomically
from training import networks
from training.averaging import AveragedWeights
from training.claim import claimed
from training.config import Config
from training.crops import Batches, Crops
from training.fusion import Fusion, NotFiniteError
from training.parallel import is_first_process
from training.progress import Bar, Pace
from training.saving import GO_ON, STATE, WEIGHTS, DurableCheckpoints, Saving
from training.stopping import Stopping
from training.validation import Validation

SETTINGS = "config.yaml"


class Log(TensorBoardLogger):
    """TensorBoard's event files, without an empty hparams.yaml beside them."""

    @override
    def save(self) -> None:
        self.experiment.flush()


def train(config: Config, observers: Sequence[Callback] = ()) -> Path:
    """Train a network; everything it leaves is in `run.folder`/`run.name`.

    Ctrl-C and SIGTERM end it after the step at hand, whose state is saved. A loss that is not
    finite ends it ahead of the step, and the state before that is saved.

    Args:
        config: all its settings.
        observers: callbacks of Lightning, called after the loop's own.

    Returns:
        The averaged weights, `ema.safetensors`. Beside it: `last.ckpt`, from which `run.resume`
        goes on, `config.yaml`, TensorBoard's event files, and the metrics of the validation.

    Raises:
        UserError: the machine, the data or the weights to start from cannot be used; the run exists
            already, another process is training it, or there is none to resume; a setting that a
            run cannot change; the loss is not finite, or a worker died.
    """
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)  # advertises, too
    torch.set_flush_denormal(True)  # on x86, denormals are slow and mean nothing here
    folder = config.run.folder / config.run.name
    accelerator = _accelerator(config)
    with claimed(folder) if is_first_process() else nullcontext():
        try:
            _train(config, folder, accelerator, observers)
        except NotFiniteError as error:
            kept = "; nothing was saved yet"
            if (folder / STATE).is_file():
                kept = f"; {folder} keeps the last finite state: {GO_ON} and other settings"
            raise UserError(f"{error}{kept}, such as a lower optimiser.learning_rate") from error
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise UserError(
                "data.workers: a process that crops was killed, perhaps for lack of memory; "
                f"{GO_ON} and fewer of them, or a data.cache"
            ) from error
    return folder / WEIGHTS


def _train(config: Config, folder: Path, accelerator: str, observers: Sequence[Callback]) -> None:
    run, settings = config.run, config.optimiser
    last = folder / STATE
    if run.resume and not last.is_file():
        raise UserError(f"{last}: no such file, so there is nothing to resume")
    if last.is_file() and not run.resume:
        raise UserError(f"{folder}: holds a run; go on with run.resume=true or change run.name")
    smallest = networks.find(config.network.name).smallest
    averaged, pace, stopping = (
        AveragedWeights(settings.average),
        Pace(config.data.batch),
        Stopping(),
    )
    validation = Validation(config.validation, averaged, pace, folder, smallest, stopping)
    crops = Crops(config.data, config.augmentation, run.seed)
    seed_everything(run.seed, verbose=False)
    fusion = Fusion(config)
    trainer = Trainer(
        accelerator=accelerator,
        devices=run.devices,
        num_nodes=run.nodes,
        strategy="ddp" if run.devices * run.nodes > 1 else "auto",
        max_steps=settings.iterations,
        max_epochs=-1,
        precision=settings.precision,
        logger=Log(run.folder, run.name, version=""),
        callbacks=[
            averaged,
            LearningRateMonitor("step"),
            pace,
            Bar(),
            Settings(config, folder),
            validation,
            # Last, so that a checkpoint has the validation of its step behind it.
            Saving(folder, averaged, run.save_every, stopping, validation, crops.data),
            *observers,
        ],
        plugins=[DurableCheckpoints()],
        enable_checkpointing=False,  # Lightning's own way of keeping several; see Saving
        use_distributed_sampler=False,  # Steps shares the batches out
        log_every_n_steps=10,
        enable_model_summary=False,
        benchmark=accelerator == "gpu",  # crops have one size
    )
    with warnings.catch_warnings():
        # Crops of cached frames take microseconds.
        warnings.filterwarnings("ignore", "The 'train_dataloader' does not have many workers")
        warnings.filterwarnings("ignore", category=FutureWarning, module="lightning")
        try:
            state = last if run.resume else None
            batches = Batches(crops, config.data)
            with stopping.listening():
                trainer.fit(fusion, None, None, batches, ckpt_path=state, weights_only=True)
        except SystemExit as end:
            if isinstance(end.__context__, KeyboardInterrupt):  # Lightning makes it exit code 1
                raise end.__context__ from None
            raise


class Settings(Callback):
    """Writes the config of a run that has begun, with all defaults, as it can be trained again."""

    def __init__(self, config: Config, folder: Path) -> None:
        self.config, self.path = config, folder / SETTINGS

    @override
    def on_train_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.is_global_zero:
            text = yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False)
            write_atomically(self.path, text.encode())


def _accelerator(config: Config) -> str:
    """`cpu` or `gpu`, after a check that the processes asked for can run on it."""
    run = config.run
    gpus = torch.cuda.device_count()
    accelerator = run.accelerator if run.accelerator != "auto" else "gpu" if gpus else "cpu"
    if accelerator == "gpu" and run.devices > gpus:
        raise UserError(f"run.devices: {run.devices}, but torch finds {gpus} GPUs on this host")
    if accelerator == "cpu" and config.optimiser.precision == "16-mixed":
        raise UserError("optimiser.precision: 16-mixed needs a GPU; on the CPU use bf16-mixed")
    asked, started = run.devices * run.nodes, int(os.environ.get("WORLD_SIZE", 0))
    if started and started != asked:
        raise UserError(f"run.devices * run.nodes: {asked}, but {started} processes were started")
    return accelerator
