"""What is removed, and what never is."""

import pytest

from ship_deploy.streams.recordings.index import Index
from ship_deploy.streams.recordings.keeping import Keep
from tests.ship_deploy.streams.recordings.test_index import part


@pytest.fixture
def index(tmp_path):
    """Five files of ten bytes, each of a minute, and one of somebody else."""
    made = Index(tmp_path / "o.jsonl")
    for number in range(5):
        made.end(part(tmp_path, f"{number}.mp4", 60.0 * number), {})
    (tmp_path / "other.mp4").write_bytes(b"x" * 1000)
    yield made
    made.close()


def left(folder):
    return "".join(sorted(path.stem[0] for path in folder.glob("*.mp4")))


@pytest.mark.parametrize(
    ("keep", "expected"),
    [
        (Keep(), "01234o"),
        (Keep(age=120.0), "34o"),  # at 320 s; the third one ended at 180 s
        (Keep(size=60), "01234o"),  # the next one takes ten bytes, too
        (Keep(size=59), "1234o"),
        (Keep(size=30), "34o"),
        (Keep(age=120.0, size=20), "4o"),
    ],
)
def test_the_oldest_go_first(index, tmp_path, keep, expected):
    keep.tidy(index, 320.0)
    assert left(tmp_path) == expected
    assert len(index.parts) == len(expected) - 1


def test_files_that_changed_are_left_alone(index, tmp_path):
    (tmp_path / "0.mp4").write_bytes(b"another film")
    (tmp_path / "1.mp4").unlink()
    (tmp_path / "1.mp4").symlink_to(tmp_path / "other.mp4")
    Keep(size=20).tidy(index, 320.0)
    assert left(tmp_path) == "014o"
    assert (tmp_path / "other.mp4").stat().st_size == 1000
