"""The model card: its facts are those of the committed files."""

import json
from pathlib import Path

import pytest

from benchmarks import card
from ship_deploy.errors import UserError
from ship_deploy.models import find_model

ROOT = Path(__file__).parents[2]
FIGURES = ROOT / "benchmarks" / "results" / "quality.json"
CHECKPOINT = ROOT / "configs" / "ship.safetensors"


def test_the_committed_card_has_todays_digests():
    text = card.CARD.read_text("utf-8")
    assert card.digest(find_model("ship")) in text
    assert card.digest(CHECKPOINT) in text


def test_the_better_method_is_bold_and_text_around_the_facts_stays(tmp_path):
    figures = json.loads(FIGURES.read_text())
    summary = figures["data"]["TNO"]["summary"]
    for metric, ship, authors in (("EN", 2, 1), ("N_abf", 2, 1), ("SD", 1, 1)):
        summary["ship"][metric]["mean"] = ship
        summary["authors"][metric]["mean"] = authors
    (tmp_path / "quality.json").write_text(json.dumps(figures))
    before, after = "before\n", "\n\nafter\n"
    text = before + card.BEGIN + "old" + card.END + after
    text = card.update(text, tmp_path / "quality.json", CHECKPOINT)
    assert text.startswith(before) and text.endswith(after) and "old" not in text
    assert "| EN ↑ | **2.00** | 1.00 |" in text
    assert "| N_abf ↓ | 2.00 | **1.00** |" in text
    assert "| SD ↑ | **1.00** | **1.00** |" in text


def test_the_lead_counts_metrics_in_which_it_is_better():
    def means(**values):
        return {name: {"mean": value} for name, value in values.items()}

    better = {"EN": True, "SD": True, "N_abf": False, "CC": True}
    record = {
        "metrics": {name: {"higher_is_better": higher} for name, higher in better.items()},
        "data": {
            "TNO": {
                "summary": {
                    "ship": means(EN=2, SD=1, N_abf=1, CC=3),
                    "authors": means(EN=1, SD=2, N_abf=2, CC=3),
                }
            }
        },
    }
    assert "ahead of the published ones in 2 of 4 metrics on TNO." in card.lead(record)


@pytest.mark.parametrize(("text", "missing"), [("nothing", card.BEGIN), (card.BEGIN, card.END)])
def test_a_card_without_its_marks_is_refused(text, missing):
    with pytest.raises(UserError, match=f"lacks the line {missing}"):
        card.update(text, FIGURES, CHECKPOINT)


def test_figures_without_one_of_the_methods_are_refused(tmp_path):
    figures = json.loads(FIGURES.read_text())
    del figures["methods"]["authors"]
    (tmp_path / "quality.json").write_text(json.dumps(figures))
    with pytest.raises(UserError, match="no method authors"):
        card.update(card.BEGIN + card.END, tmp_path / "quality.json", CHECKPOINT)
