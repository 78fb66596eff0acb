"""From a `model.onnx` to an engine. One way for both TensorRTs.

The way was run with TensorRT-RTX 1.7, without a GPU and on an H100, where it builds engines that it
cannot load; `make_recipe` refuses such GPUs. With `tensorrt` it was never run: its calls were taken
from NVIDIA's documentation of 10.3 to 11.
"""

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

from ship_deploy.artifact import Artifact
from ship_deploy.cuda.gpu import use_gpu
from ship_deploy.engines.flavour import Flavour, load
from ship_deploy.engines.profile import Shape
from ship_deploy.engines.progress import monitor
from ship_deploy.engines.recipe import Recipe, capability_members
from ship_deploy.errors import UserError

_HEIGHT_AXIS = {"frames": 1, "luminance": 2}  # of every input, by the graph's kind; width follows
_one_at_a_time = threading.Lock()  # builders of one process share the logger with the errors


class Built(NamedTuple):
    """A serialised engine, and what the builder learnt of kernels, where a cache was given."""

    engine: bytes
    timing_cache: bytes | None


def build_engine(
    artifact: Artifact, recipe: Recipe, device: int = 0, timing_cache: bytes | None = None
) -> Built:
    """Build an engine. Shows its progress on a terminal; an interrupt ends it at the next step.

    Args:
        artifact: the model that the recipe was made for.
        recipe: what to build.
        device: number of the GPU to build on, where the recipe has one.
        timing_cache: what an earlier build learnt, b"" to begin with; None for no cache. Only
            TensorRT has a use for it.

    Raises:
        UserError: the parser or the builder refuses, with the node at fault.
    """
    flavour = load(recipe.flavour)
    # The builder runs in a thread of its own, so that this one hears of an interrupt at once.
    with _one_at_a_time, monitor(flavour.trt) as progress, ThreadPoolExecutor(1) as pool:
        try:
            work = pool.submit(_build, artifact, recipe, flavour, device, timing_cache, progress)
            return work.result()
        except BaseException:
            progress.cancel()
            raise


def _build(
    artifact: Artifact,
    recipe: Recipe,
    flavour: Flavour,
    device: int,
    timing_cache: bytes | None,
    progress: Any,
) -> Built:
    if recipe.gpu is not None:
        use_gpu(device)
    trt, logger = flavour.trt, flavour.logger
    logger.take()
    try:
        builder = trt.Builder(logger)
    except TypeError as error:  # its constructor returned nothing
        raise UserError(f"{flavour.name} cannot start{_because(logger.take())}") from error
    flags = 0
    if hasattr(trt.NetworkDefinitionCreationFlag, "STRONGLY_TYPED"):  # always so from 11 on
        flags = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(flags)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse(artifact.content):
        raise UserError(f"{artifact.path}: {flavour.name} cannot {_parser_errors(parser)}")
    config = builder.create_builder_config()
    config.progress_monitor = progress
    # TF32 keeps 10 bits of the mantissa; what the model says is FP32 stays FP32.
    config.clear_flag(trt.BuilderFlag.TF32)
    _set_profile(artifact, recipe, builder, network, config)
    if recipe.workspace is not None:
        config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, recipe.workspace << 20)
    if flavour.targets:
        _set_targets(flavour, recipe, config)
    cache = None
    if timing_cache is not None:
        cache = config.create_timing_cache(timing_cache)
        if cache is None or not config.set_timing_cache(cache, ignore_mismatch=False):
            raise UserError(
                f"the timing cache is from another {flavour.name} or GPU, or damaged; delete it"
            )
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise UserError(
            f"{artifact.path}: {flavour.name} cannot build the engine{_because(logger.take())}"
        )
    return Built(bytes(engine), None if cache is None else bytes(cache.serialize()))


def _set_profile(
    artifact: Artifact, recipe: Recipe, builder: Any, network: Any, config: Any
) -> None:
    """Give every free dimension of every input its smallest, usual and largest length."""
    rows = _HEIGHT_AXIS[artifact.metadata["graph"]]
    profile = builder.create_optimization_profile()
    for index in range(network.num_inputs):
        tensor = network.get_input(index)
        known = tuple(tensor.shape)

        def fill(shape: Shape, known: tuple[int, ...] = known) -> tuple[int, ...]:
            batch, height, width = shape
            asked = {0: batch, rows: height, rows + 1: width}
            return tuple(asked[axis] if n == -1 else n for axis, n in enumerate(known))

        profile.set_shape(tensor.name, *map(fill, recipe.profile.shapes))
    if config.add_optimization_profile(profile) < 0:
        raise UserError(f"{artifact.path}: {recipe.flavour} refuses the profile {recipe.profile}")


def _set_targets(flavour: Flavour, recipe: Recipe, config: Any) -> None:
    if recipe.targets_its_gpu:
        targets = [flavour.trt.ComputeCapability.CURRENT]
    else:
        members = capability_members(flavour)
        targets = [members[capability] for capability in recipe.compute_capabilities]
    config.num_compute_capabilities = len(targets)
    for index, target in enumerate(targets):
        config.set_compute_capability(target, index)


def _parser_errors(parser: Any) -> str:
    """What the parser found, worst first, in one line."""
    errors = [parser.get_error(index) for index in range(parser.num_errors)]
    if not errors:
        return "read the model"
    first = errors[0]
    reason = " ".join(first.desc().split())
    if "Plugin not found" in reason:  # an operator that it does not know is looked for among these
        reason = "it does not know this operator"
    node, more = first.node_name(), f" (and {len(errors) - 1} more)" if errors[1:] else ""
    where = f"node {node!r} of the model, {first.node_operator()}" if node else "the model"
    return f"read {where}: {reason}{more}"


def _because(errors: list[str]) -> str:
    """The builder's own words, without the function that said them."""
    words = [error.removeprefix("IBuilder::buildSerializedNetwork: ") for error in errors[:3]]
    return f": {'; '.join(words)}" if words else ""
