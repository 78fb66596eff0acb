import pytest

from ship_deploy import UserError
from ship_deploy.geometry.points import read_points

HEADER = "infrared_x,infrared_y,visible_x,visible_y\n"


def test_reads_columns_by_name(tmp_path):
    path = tmp_path / "p.csv"
    path.write_text("\ufeffvisible_x, visible_y, infrared_x, infrared_y\n1, 2.5, 3, 4\n\n5,6,7,8\n")
    infrared, visible = read_points(path)
    assert infrared.tolist() == [[3, 4], [7, 8]]
    assert visible.tolist() == [[1, 2.5], [5, 6]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the first line must be infrared_x,infrared_y,visible_x,visible_y"),
        (b"1,2,3,4\n", "the first line must be"),
        ((HEADER + "1,2,3,4\n1,2,3\n").encode(), "line 3: expected four numbers"),
        ((HEADER + "1,2,3,4,5\n").encode(), "line 2: expected four numbers"),
        ((HEADER + "1,2,3,x\n").encode(), "line 2: expected four numbers"),
        ((HEADER + "1,2,3,nan\n").encode(), "NaN or infinite"),
        (b"\xff\xfe\x00", "cannot read the points"),
    ],
)
def test_what_is_no_point_is_refused(tmp_path, content, message):
    (tmp_path / "p.csv").write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_points(tmp_path / "p.csv")


def test_no_file(tmp_path):
    with pytest.raises(UserError, match=r"p\.csv: cannot read the points \(No such file"):
        read_points(tmp_path / "p.csv")
