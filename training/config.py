"""The config of a training run: YAML and `section.key=value` overrides into checked settings."""

import difflib
import inspect
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_type_hints

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

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Network(Section):
    """Which network, and its settings: the arguments of its constructor, see `network_section`."""

    model_config = ConfigDict(extra="allow", frozen=True, use_attribute_docstrings=True)

    name: str = "ship"
    """The network: a module in training/networks/; the other keys are its own."""


class Pairs(Section):
    """A folder of pairs; `training.data` says how it may be laid out. A path alone will do."""

    path: DataPath
    """The folder."""
    visible: Path | None = None
    """Its sub-folder of visible frames, such as rgb or cam0/train; null: one that is known."""
    infrared: Path | None = None
    """The same of the infrared frames."""

    @model_validator(mode="before")
    @classmethod
    def _of_path(cls, settings: Any) -> Any:
        return {"path": settings} if isinstance(settings, str | Path) else settings

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.visible is None) != (self.infrared is None):
            raise ValueError("name both sub-folders, visible and infrared, or neither")
        return self


class Folder(Pairs):
    """A folder of pairs, and its share of the crops."""

    weight: PositiveFloat = 1
    """Its share of the crops, relative to the other folders."""


class Data(Section):
    """What the network sees."""

    folders: list[Folder] = Field(min_length=1)
    """Where the pairs are."""
    crop: PositiveInt = 128
    """Side of the square crops, in pixels."""
    batch: PositiveInt = 4
    """Crops in a step, shared out among all devices of all nodes."""
    cache: DataPath | None = None
    """A folder for decoded frames, shared by all processes of a host and kept for the next run;
    null: each device holds them all in memory, 10 GB for M3FD's 4,200 pairs."""
    workers: NonNegativeInt = 0
    """Processes that crop, for each device; 0 crops between steps."""


class Augmentation(Section):
    """What cameras and weather may do to a scene; each crop draws its own."""

    gain: NonNegativeFloat = 0
    """Infrared contrast about mid-grey, up to (1 + gain) times or less."""
    offset: float = Field(0, ge=0, le=255)
    """Brightness of the infrared frame, grey levels up or down at most."""
    polarity: float = Field(0, ge=0, le=1)
    """Probability of black-hot in place of white-hot."""
    shutter: float = Field(0, ge=0, le=1)
    """Probability of a flat infrared frame."""
    shift: NonNegativeInt = 0
    """Pixels that the infrared frame is off by, at most."""
    darkness: float = Field(0, ge=0, le=1)
    """Probability of too little light."""
    overexposure: float = Field(0, ge=0, le=1)
    """Probability of too much light."""
    fog: float = Field(0, ge=0, le=1)
    """Probability of fog."""
    glare: float = Field(0, ge=0, le=1)
    """Probability of up to three lamps."""
    noise: float = Field(0, ge=0, le=255)
    """Largest standard deviation of the infrared noise, grey levels; no loss sees the noise."""
    visible_noise: float = Field(0, ge=0, le=255)
    """The same of the visible frame."""


class Loss(Section):
    """Weight of each term, and the form of those that have two. See `training.losses`."""

    clamp: bool = False
    """Clamp the output to [0, 1] ahead of all terms, as published: no gradient outside."""
    mask: NonNegativeFloat = 3
    """The visible frame where that is salient, the infrared one elsewhere."""
    mask_form: Literal["published", "selective"] = "published"
    """published: as in the paper; selective: compared with one of the frames at each place."""
    intensity: NonNegativeFloat = 10
    """As bright as the brighter source."""
    gradient: NonNegativeFloat = 10
    """As steep as the steeper source."""
    gradient_form: Literal["published", "signed"] = "published"
    """published: magnitudes, whatever the direction of a slope; signed: with it."""
    ssim: NonNegativeFloat = 0
    """1 - SSIM, the mean over both sources."""
    structure: NonNegativeFloat = 0
    """The structure of the source that shows more, in either polarity."""
    targets: NonNegativeFloat = 0
    """Known targets, of masks/, keep their contrast."""
    steady: NonNegativeFloat = 0
    """Where the next frame of a video stands still, so does the fused one."""
    detail: NonNegativeFloat = 0
    """The visible frame's detail is there."""
    invented: NonNegativeFloat = 0
    """No gradients that neither source has."""
    between: NonNegativeFloat = 0
    """Means of neighbourhoods stay between those of the sources."""
    tone: NonNegativeFloat = 0
    """As bright as the visible frame, where that is exposed well."""
    excess: NonNegativeFloat = 0
    """Raw values stay in [0, 1]."""


class Optimiser(Section):
    """Adam, its schedule and what steadies it."""

    iterations: PositiveInt = 100_000
    """Steps of the run."""
    learning_rate: PositiveFloat = 1e-4
    """The highest learning rate, after the warm-up."""
    warmup: NonNegativeInt = 0
    """Steps in which the learning rate rises."""
    schedule: Literal["cosine", "steps"] = "cosine"
    """How the learning rate falls."""
    final: NonNegativeFloat = 0.01
    """The last learning rate of a cosine, as a share of the highest."""
    milestones: list[PositiveInt] = [15_000, 25_000]
    """Steps after which a schedule of steps lowers the learning rate."""
    factor: PositiveFloat = 0.75
    """What it is multiplied by there."""
    clip: PositiveFloat | None = 1
    """Largest norm of all gradients together; null: any."""
    average: float = Field(0.999, ge=0, lt=1)
    """Decay of the weights' moving average."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Number format of the steps; 16-mixed needs a GPU."""


class Validation(Section):
    """Pairs that the averaged weights are judged by as the training goes on."""

    folders: list[Pairs] = []
    """Where these pairs are, as data.folders, without weights; none: no validation."""
    every: PositiveInt = 1000
    """Steps between two validations."""
    panels: NonNegativeInt = 4
    """Pairs shown with their fused frame, in TensorBoard."""
    metrics: list[str] = ["MI", "SCD", "VIF", "Qabf", "SSIM", "edge beads"]
    """Of training.metrics; these take a second a pair of 480x640 on one core, FMI more."""


class Run(Section):
    """Where the results go, and what computes them."""

    name: str = Field(min_length=1)
    """The results go to this folder in run.folder."""
    folder: DataPath = Path("runs")
    """Where all runs are."""
    seed: NonNegativeInt = 0
    """Seed of the first weights and of all that is drawn."""
    save_every: PositiveInt = 1000
    """Steps between two savings of ema.safetensors and last.ckpt."""
    weights: DataPath | None = None
    """A checkpoint to start from in place of random weights."""
    resume: bool = False
    """Go on with the run of this name."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """What to train on."""
    devices: PositiveInt = 1
    """GPUs, or processes on the CPU, of each node."""
    nodes: PositiveInt = 1
    """Hosts; several are started with torchrun, one need not be."""
    graph: bool = False
    """The step of a GPU as a CUDA graph: far fewer launches, for small networks."""
    compile: bool = False
    """torch.compile: minutes at the start, for faster steps on a GPU."""


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
        for inner in (field.annotation, *get_args(field.annotation)):
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
