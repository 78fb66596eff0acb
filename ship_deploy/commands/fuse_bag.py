"""`ship-deploy fuse BAG`: a recording in, the same recording with a fused topic out."""

from os import PathLike
from os.path import realpath
from pathlib import Path

from ship_deploy import console
from ship_deploy.adapters.bag_source import find_topics
from ship_deploy.adapters.bags import Bag
from ship_deploy.adapters.fused_bag import Topics, add_topic
from ship_deploy.commands.stream import print_account
from ship_deploy.errors import UserError
from ship_deploy.files import make_folder
from ship_deploy.frames import PERCENTILES
from ship_deploy.fuser import Fuser
from ship_deploy.geometry.calibration import read_calibration
from ship_deploy.geometry.shape import Crop
from ship_deploy.results import Output
from ship_deploy.streams.outputs import ImageOutput
from ship_deploy.streams.preparation import Preparation
from ship_deploy.streams.recordings import VideoOutput
from ship_deploy.thermal import Thermal


def fuse_bag(
    path: Path,
    visible: str,
    infrared: str,
    output: Path,
    *,
    topic: str = "/fused/image",
    video: Path | None = None,
    images: Path | None = None,
    calibration: Path | None = None,
    crop_infrared: str | None = None,
    model: str | PathLike[str] | None = None,
    backend: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    signed_by: Path | None = None,
    percentiles: tuple[float, float] = PERCENTILES,
) -> None:
    """Add a topic of fused images to a recording.

    Args:
        path: see `Bag`.
        visible: topic of images.
        infrared: the same.
        output: an `.mcap` file.
        topic: of the fused images.
        video: a video of them to write too, see `VideoOutput`, or None.
        images: a folder for them, or None.
        calibration: from `ship-deploy calibrate`; None if the cameras are aligned.
        crop_infrared: the part of each infrared image that is used, see `Crop`; None for all.
        model: see `Fuser`; so are those that follow.
        backend: the same.
        device: the same.
        threads: the same.
        signed_by: the same.
        percentiles: see `Thermal`.

    Raises:
        UserError: what cannot be used, read or written.
    """
    if output.suffix != ".mcap" or output.is_dir():
        raise UserError(f"{output}: expected an .mcap file; a recording with a new topic is MCAP")
    bag = Bag(path)
    if realpath(output) in map(realpath, [path, *bag.files]):
        raise UserError(f"{output}: would overwrite the input; give another output")
    find_topics(bag, visible, infrared)  # before the model is loaded
    known = None if calibration is None else read_calibration(calibration)
    crop = None if crop_infrared is None else Crop(crop_infrared)
    prepare = Preparation(Thermal(percentiles=percentiles), known, crop)
    fuser = Fuser(model, backend=backend, device=device, threads=threads, signed_by=signed_by)
    make_folder(output.parent)
    others: list[Output] = [VideoOutput(video)] if video else []
    others += [ImageOutput(images)] if images else []
    options = repr([infrared, percentiles, known, crop_infrared])
    topics = Topics(visible, infrared, topic)
    with console.ERR.status("Fusing") as status:
        fused, statistics = add_topic(
            bag,
            output,
            topics,
            fuser,
            prepare,
            options,
            *others,
            say=lambda f: status.update(f"{f.messages} messages, {f.written} fused"),
        )
    print_account(statistics)
    if fused.resumed:
        console.ERR.print(f"{fused.resumed} of them were taken from a run that was interrupted")
    if bag.cut:
        console.ERR.print(bag.cut)
    print(output)
