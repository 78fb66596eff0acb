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


def record(**means):
    """A `quality.json` of one data set: metric -> the means of `ship` and of the authors'."""
    methods = dict.fromkeys(card.METHODS, "some model")
    return {
        "convention": "cddfuse",
        "machine": {"measured": "2026-01-01T00:00:00"},
        "methods": methods,
        "metrics": {name: {"higher_is_better": name != "N_abf"} for name in means},
        "data": {
            "TNO": {
                "summary": {
                    method: {name: {"mean": pair[place]} for name, pair in means.items()}
                    for place, method in enumerate(methods)
                }
            }
        },
    }


def test_the_better_method_is_bold_and_text_around_the_facts_stays(tmp_path):
    (tmp_path / "quality.json").write_text(json.dumps(record(EN=(2, 1), N_abf=(2, 1), SD=(1, 1))))
    before, after = "before\n", "\n\nafter\n"
    text = before + card.BEGIN + "old" + card.END + after
    text = card.update(text, tmp_path / "quality.json", CHECKPOINT)
    assert text.startswith(before) and text.endswith(after) and "old" not in text
    assert "| EN ↑ | **2.00** | 1.00 |" in text
    assert "| N_abf ↓ | 2.00 | **1.00** |" in text
    assert "| SD ↑ | **1.00** | **1.00** |" in text


def test_the_lead_counts_metrics_in_which_it_is_better():
    figures = record(EN=(2, 1), SD=(1, 2), N_abf=(1, 2), CC=(3, 3))
    assert "ahead of the published weights in 2 of 4 metrics on TNO." in card.lead(figures)


@pytest.mark.parametrize(("text", "missing"), [("nothing", card.BEGIN), (card.BEGIN, card.END)])
def test_a_card_without_its_marks_is_refused(text, missing):
    with pytest.raises(UserError, match=f"lacks the line {missing}"):
        card.update(text, FIGURES, CHECKPOINT)


def test_what_was_not_measured_is_said(tmp_path):
    figures = record(EN=(2, 1))
    del figures["methods"]["authors"]
    (tmp_path / "quality.json").write_text(json.dumps(figures))
    assert card.UNKNOWN in card.update(card.BEGIN + card.END, tmp_path / "quality.json", CHECKPOINT)
    assert card.lead(figures).strip() == card.UNKNOWN
