import pytest

from benchmarks import report
from ship_deploy import UserError


def test_every_table_that_is_shown_is_that_of_the_committed_figures():
    """`python -m benchmarks report` writes them."""
    for path, text in report.render().items():
        assert path.read_text() == text, path


def test_every_result_is_known():
    names = {path.stem for path in report.RESULTS.glob("*.json")}
    assert names <= set(report.TABLES)
    assert names >= set(report.BLOCKS)


def test_a_readme_without_its_blocks_is_an_error(tmp_path):
    readme = tmp_path / "README.md"
    readme.write_text("nothing")
    with pytest.raises(UserError, match="no <!-- "):
        report.render(readme=readme)


def test_a_block_that_was_edited_is_put_right(tmp_path):
    readme = tmp_path / "README.md"
    known = (report.ROOT / "README.md").read_text()
    readme.write_text(known.replace("<!-- latency -->\n", "<!-- latency -->\nan edit\n"))
    assert report.render(readme=readme)[readme] == known
