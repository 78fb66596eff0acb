"""The config of a training run: YAML and `section.key=value` overrides into checked settings."""

import difflib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_type_hints

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    create_model,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError
from typing_extensions import Self

from ship_deploy.errors import UserError
from training.data_folder import DataPath


class Section(BaseModel):
    """Settings that nobody changes once read, and that know all of their keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Network(Section):
    """Which network, and its settings: the arguments of its constructor, whose defaults they have.

    `network_section` says which those are.
    """

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str = "ship"  # a module in training/networks/


class Folder(Section):
    """A folder of pairs (`training.data` says how it is laid out), and its share of the crops."""

    path: DataPath
    weight: PositiveFloat = 1


class Data(Section):
    """What the network sees."""

    folders: list[Folder] = Field(min_length=1)
    crop: PositiveInt = 128  # pixels, square
    batch: PositiveInt = 4  # crops of one step, shared out among all devices of all nodes
    # A folder for decoded frames, mapped by all processes of a host and kept for the next run.
    # Without one, every device holds them all in memory: M3FD's 4,200 pairs are 10 GB.
    cache: DataPath | None = None
    workers: NonNegativeInt = 0  # processes that crop, for each device; 0 crops between steps


class Augmentation(Section):
    """What cameras and weather may do to a scene; each crop draws its own. See `augmentation`."""

    gain: NonNegativeFloat = 0  # infrared contrast about mid-grey, up to (1 + gain) times or less
    offset: float = Field(0, ge=0, le=255)  # of the infrared frame, grey levels up or down at most
    polarity: float = Field(0, ge=0, le=1)  # probability of black-hot in place of white-hot
    shutter: float = Field(0, ge=0, le=1)  # probability of a flat infrared frame
    shift: NonNegativeInt = 0  # pixels that the infrared frame is off by, at most
    darkness: float = Field(0, ge=0, le=1)  # probability of too little light
    overexposure: float = Field(0, ge=0, le=1)  # probability of too much
    fog: float = Field(0, ge=0, le=1)  # probability
    glare: float = Field(0, ge=0, le=1)  # probability of up to three lamps
    noise: float = Field(0, ge=0, le=255)  # largest sigma, infrared, grey levels; no loss sees it
    visible_noise: float = Field(0, ge=0, le=255)  # the same of the visible frame


class Loss(Section):
    """Weight of each term, and the form of those that have two. See `training.losses`."""

    clamp: bool = False  # F to [0, 1] ahead of all terms, as published: no gradient outside
    mask: NonNegativeFloat = 3
    mask_form: Literal["published", "selective"] = "published"
    intensity: NonNegativeFloat = 10
    gradient: NonNegativeFloat = 10
    gradient_form: Literal["published", "signed"] = "published"
    ssim: NonNegativeFloat = 0
    structure: NonNegativeFloat = 0
    targets: NonNegativeFloat = 0
    steady: NonNegativeFloat = 0
    detail: NonNegativeFloat = 0
    invented: NonNegativeFloat = 0
    between: NonNegativeFloat = 0
    tone: NonNegativeFloat = 0
    excess: NonNegativeFloat = 0


class Optimiser(Section):
    """Adam, its schedule and what steadies it."""

    iterations: PositiveInt = 100_000
    learning_rate: PositiveFloat = 1e-4  # the peak, after the warm-up
    warmup: NonNegativeInt = 0  # iterations
    schedule: Literal["cosine", "steps"] = "cosine"  # how the learning rate falls
    final: NonNegativeFloat = 0.01  # the last learning rate of a cosine, as a share of the peak
    milestones: list[PositiveInt] = [15_000, 25_000]  # iterations after which steps take place
    factor: PositiveFloat = 0.75  # of the learning rate, at every step
    clip: PositiveFloat | None = 1  # largest norm of all gradients together; null: any
    average: float = Field(0.999, ge=0, lt=1)  # decay of the weights' moving average
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"  # the last: GPUs only


class Validation(Section):
    """Pairs that the averaged weights are judged by as the training goes on."""

    folders: list[DataPath] = []  # laid out like those of `data`; none: no validation
    every: PositiveInt = 1000  # iterations
    panels: NonNegativeInt = 4  # pairs shown with their fused frame
    # Of `training.metrics`; the default ones take a second a pair of 480x640 on one core, FMI more.
    metrics: list[str] = ["MI", "SCD", "VIF", "Qabf", "SSIM", "edge beads"]


class Run(Section):
    """Where the results go, `folder`/`name`, and what computes them."""

    name: str = Field(min_length=1)
    folder: DataPath = Path("runs")
    seed: NonNegativeInt = 0
    save_every: PositiveInt = 1000  # iterations
    weights: DataPath | None = None  # a checkpoint to start from in place of random weights
    resume: bool = False
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    devices: PositiveInt = 1  # GPUs, or processes on the CPU, of each node
    nodes: PositiveInt = 1  # hosts; several are started with torchrun, one need not be
    graph: bool = False  # the step of a GPU as a CUDA graph: far fewer launches, for small networks
    compile: bool = False  # torch.compile: minutes at the start, for faster steps on a GPU


class Config(Section):
    """All settings of a run."""

    run: Run
    data: Data
    augmentation: Augmentation = Augmentation()
    network: Network = Field(default_factory=dict, validate_default=True)
    loss: Loss = Loss()
    optimiser: Optimiser = Optimiser()
    validation: Validation = Validation()

    @field_validator("network", mode="before")
    @classmethod
    def _choose_network(cls, settings: Any) -> Any:
        if not isinstance(settings, dict):
            return settings
        try:
            section = network_section(settings)
        except UserError as error:
            raise PydanticCustomError("network", "{error}", {"error": str(error)}) from error
        return section.model_validate(settings).model_dump()

    @model_validator(mode="after")
    def _fit_crop(self) -> Self:
        from training import networks

        smallest = networks.find(self.network.name).smallest
        if self.data.crop < smallest:
            raise ValueError(
                f"data.crop: {self.data.crop} pixels, but {self.network.name} takes "
                f"{smallest} at least"
            )
        return self

    @model_validator(mode="after")
    def _share_batch(self) -> Self:
        devices = self.run.devices * self.run.nodes
        if self.data.batch % devices:
            raise ValueError(
                f"data.batch: {self.data.batch} crops cannot be shared out equally among "
                f"run.devices * run.nodes = {devices}"
            )
        return self


def network_section(settings: dict[str, Any]) -> type[Section]:
    """The section of the network that settings name.

    Raises:
        UserError: there is no network of this name.
    """
    from training import networks  # imports torch

    network = networks.find(str(settings.get("name", Network().name))).module
    hints = get_type_hints(network.__init__, include_extras=True)
    fields: dict[str, Any] = {
        name: (hints[name], ... if given.default is given.empty else given.default)
        for name, given in inspect.signature(network).parameters.items()
    }
    return create_model(network.__name__, __base__=Section, name=(str, Network().name), **fields)


def load_config(path: Path, overrides: Iterable[str] = ()) -> Config:
    """Read a config.

    Args:
        path: YAML file with the sections of `Config`.
        overrides: `section.key=value`, the value in YAML; they win over the file.

    Raises:
        UserError: the file cannot be read, or a key or value is wrong.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UserError(f"{path}: not a readable YAML file ({_one_line(error)})") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: holds no sections ({', '.join(Config.model_fields)})")
    return check_config(path, content, overrides)


def check_config(path: Path, content: dict[str, Any], overrides: Iterable[str]) -> Config:
    """The config of sections that were read from `path`; see `load_config`."""
    for override in overrides:
        _apply(content, override)
    try:
        return Config.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(_problem(details, content) for details in error.errors())
        raise UserError(f"{path}: {problems}") from error


def _apply(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    section, _, name = key.partition(".")
    if not equals or key.count(".") != 1:
        raise UserError(f"{override}: not of the form section.key=value")
    # What else the network's section may hold is known once it has its name; see `_problem`.
    if section != "network" and key not in set(_keys(Config)):
        raise UserError(f"{override}: {_unknown(key, _keys(Config))}")
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UserError(f"{override}: the value is not YAML ({_one_line(error)})") from error
    if not isinstance(content.setdefault(section, {}), dict):
        raise UserError(f"{override}: {section} is not a section of the file")
    content[section][name] = value


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every valid key, dotted; those of a list's items follow the list's own."""
    for name, field in model.model_fields.items():
        yield prefix + name
        inner = Folder if field.annotation == list[Folder] else field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _keys(inner, f"{prefix}{name}.")


def _problem(details: Any, content: dict[str, Any]) -> str:
    key = ".".join(str(part) for part in details["loc"] if not isinstance(part, int))
    if details["type"] == "extra_forbidden" and details["loc"][0] == "network":
        return _unknown(key, _keys(network_section(content["network"]), "network."))
    if details["type"] == "extra_forbidden":
        return _unknown(key, _keys(Config))
    if not key:  # a check of several sections together, which names its keys itself
        return str(details["ctx"]["error"])
    return f"{key}: {details['msg'][0].lower()}{details['msg'][1:]}"


def _unknown(key: str, known: Iterable[str]) -> str:
    every = list(known)
    candidates = [valid for valid in every if valid.count(".") == key.count(".")] or every
    nearest = difflib.get_close_matches(key, candidates, n=1, cutoff=0)[0]
    return f"unknown key {key}; the nearest is {nearest}"


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
