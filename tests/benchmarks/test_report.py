import pytest

from benchmarks import report
from ship_deploy import UserError


def test_every_table_that_is_shown_is_that_of_the_committed_figures():
    """`python -m benchmarks report` writes them."""
    for path, text in report.render().items():
        assert path.read_text() == text, path


def test_every_result_is_known():
    assert {path.stem for path in report.RESULTS.glob("*.json")} <= set(report.TABLES)


def test_pages_without_a_block_are_an_error(tmp_path):
    page = tmp_path / "README.md"
    page.write_text("nothing")
    with pytest.raises(UserError, match="no page has <!-- "):
        report.render(pages=[page])


def test_a_block_that_was_edited_is_put_right_on_every_page(tmp_path):
    pages = {tmp_path / f"{number}.md": page for number, page in enumerate(report.PAGES)}
    for copy, page in pages.items():
        copy.write_text(page.read_text().replace("<!-- status -->\n", "<!-- status -->\nan edit\n"))
    assert sum("an edit" in copy.read_text() for copy in pages) == 2
    rendered = report.render(pages=[*pages])
    assert all(rendered[copy] == page.read_text() for copy, page in pages.items())
