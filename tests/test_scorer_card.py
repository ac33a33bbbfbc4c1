"""The model card of a scorer says what was measured, and nothing that comes from outside breaks it."""

import copy
import json
import re
from pathlib import Path

import pytest
import yaml
from huggingface_hub import ModelCard
from typer.testing import CliRunner

from hal_trl.cli import app
from hal_trl.hub import card_of_folder, render_scorer_card, weak_spots
from hal_trl.likeness import BUNDLED_SCORER

from .evaluations import figure, measured, told


ROOT = Path(__file__).parents[1]
CONFIG = {
    "encoder": None,
    "traits": [
        {"id": "brevity", "statement": "Short messages.", "group": "style"},
        {"id": "quick_exit", "statement": "Leaves quickly.", "group": "flow"},
    ],
}
LIKENESS = {
    "bias": 0.5,
    "weights": {"brevity": 1.0, "quick_exit": 0.1},
    "reference": {"brevity": 4.0, "quick_exit": 2.0},
    "curves": {"quick_exit": [[2.0, 0.0], [4.0, -8.0]]},
}


def render(evaluation: dict | None = None, name: str = "ana/scorer", **config) -> str:
    return render_scorer_card(name, measured() if evaluation is None else evaluation, {**CONFIG, **config}, LIKENESS)


def section(card: str, title: str) -> str:
    return re.split(r"\n##+ ", card.split(f"# {title}\n")[1])[0]


def test_the_card_says_what_it_is_for_and_what_not():
    card = render()
    assert "It must not be passed off as a person" in section(card, "Misuse")
    assert "undisclosed bots" in section(card, "Misuse") and "Deceiving people" in section(card, "Misuse")
    assert "English only" in section(card, "Languages")
    assert "people told that they\n  talk to an AI" in section(card, "Intended use")
    data = section(card, "Training data")
    assert "huggingface.co/papers/2601.02813" in data and "ROC-HCI/hal, Apache-2.0" in data and "GPT-5" in data
    assert "5ca1ab1e" in data
    metadata = ModelCard(card).data
    assert (metadata.license, metadata.language, metadata.pipeline_tag) == ("apache-2.0", "en", "text-classification")


def test_the_citation_is_that_of_the_repository():
    paper = yaml.safe_load((ROOT / "CITATION.cff").read_text())["references"][0]
    citation = section(render(), "Licence and citation")
    assert f"title = {{{paper['title']}}}" in citation and f"url = {{{paper['url']}}}" in citation
    assert f"year = {{{paper['year']}}}" in citation
    assert " and ".join(author["family-names"] for author in paper["authors"]) in citation


def test_reference_scorers_stand_beside_the_models_own_figures():
    rows = [line for line in section(render(), "Evaluation").splitlines() if line.startswith("|")]
    columns, own, *others = ([cell.strip() for cell in row.split("|")[1:-1]] for row in rows if "---" not in row)
    own, others = dict(zip(columns, own, strict=True)), [dict(zip(columns, row, strict=True)) for row in others]
    assert own["all games"] == "0.940" and own["unseen AI, worst"] == "0.410" and own["unseen AI, mean"] == "0.627"
    assert own["unseen style quinn"] == "0.440" and own["single replies (AUC)"] == "0.904"
    assert [row[""] for row in others] == ["interrogators", "n-gram classifier"]
    assert [row["all games"] for row in others] == ["0.550", "0.990"]
    assert others[0]["Spearman, 16 traits"] == "–"


def test_figures_come_with_their_intervals():
    card = render()
    assert "| unrated games | 0.900 [0.880, 0.920] | 0.930 [0.910, 0.950] | 865 |" in card
    assert "| brevity | Short messages. | 0.54 | 0.50 | 0.90 |" in card
    assert "0.25 ms a reply" in card and "2.2 million parameters" in card and "4.3 MB" in card


def test_the_metadata_carries_the_figures():
    results = {(r.dataset_config, r.metric_type): r.metric_value for r in ModelCard(render()).data.eval_results}
    assert results["unseen AI gpt-4o_quinn", "pairwise_accuracy"] == 0.41
    assert results["calibration", "brier_score"] == 0.09
    assert results["doctor dialogues", "spearmanr"] == 0.42
    assert len(results) == 4 + 2 * 5 + 2 * 3 + 2 * 2 + 2 + 1


def test_what_the_score_rewards_is_shown_against_peoples_mean():
    assert "| quick\\_exit | +0.00 | -4.00 | -8.00 |\n| brevity | -3.00 | -1.00 | +1.00 |" in render()


def test_an_encoder_is_stated_as_base_model():
    card = render(encoder={"model_type": "bert", "_name_or_path": "org/encoder-2.0"})
    assert "transformer encoder: org/encoder-2.0." in card
    assert ModelCard(card).data.base_model == "org/encoder-2.0"
    assert "transformer encoder" not in render() and ModelCard(render()).data.base_model is None


@pytest.mark.parametrize("path", ["/home/ana/encoder", "../encoder", "a/b/c", "C:\\encoder", "org/x\n---", "", None])
def test_where_an_encoder_lay_on_disk_is_not_published(path):
    card = render(encoder={"model_type": "bert", "_name_or_path": path})
    assert "transformer encoder: bert." in card and ModelCard(card).data.base_model is None
    assert not path or path not in card


def test_weak_spots_are_read_off_the_figures():
    spots = weak_spots(measured())
    assert [spot.split(":")[0] for spot in spots] == [
        "Of the AIs that were in no training game, gpt-4o_quinn is told from people worst",
        "AIs taken for people more often than people are",
        "Of the prompt styles that were in no training game, quinn is told from people worst",
        "Prompt styles taken for people more often than people are",
        "Games that the judges did not rate are harder",
        "Single replies are told apart less reliably than whole dialogues",
        "Replies of an AI unlike those of the games are told from people's with an AUC of 0.787 [0.767, 0.807].",
        "Traits on which it agrees with the judge only loosely (Spearman below 0.5)",
        "On other talk than the games (generated doctor's visits) the agreement falls from 0.660 to 0.420 [0.400, "
        "0.440].",
        "P(human) is off by more than 0.1",
        "Something else is better at",
    ]
    assert "gpt-4o_quinn 0.410, llama_quinn 0.480." in spots[1]
    assert "quick_exit 0.23, self_correction 0.29." in spots[7]
    assert "0.55 where 0.71 are people's (n = 83)" in spots[9] and "0.05" not in spots[9]
    assert "all games (n-gram classifier 0.990, here 0.940)" in spots[10]
    card = render()
    assert all(len(re.findall(f"^- {re.escape(spot[:30])}", card, re.MULTILINE)) == 1 for spot in spots)


def test_a_better_model_has_other_weak_spots():
    better = measured()
    better["told_apart"] |= {"unrated games": told(0.98, 0.98, 865), "single replies": told(0.95, 0.95, 6973)}
    better["leave_one_ai_out"] = {"eliza": told(0.99, 0.99, 10), "gpt": told(0.97, 0.98, 10)}
    better["agreement"]["per_trait"] = {"brevity": {"spearman": 0.8}}
    better["calibration"]["reliability"] = [{"predicted": 0.5, "observed": 0.45, "n": 10}]
    better["doctor_dialogues"]["spearman"] = figure(0.7)
    spots = " ".join(weak_spots(better))
    assert "gpt is told from people worst" in spots and "Prompt styles taken for people" in spots
    for gone in ("AIs taken for people", "did not rate", "Single replies", "Traits on which", "other talk", "off by"):
        assert gone not in spots


@pytest.mark.parametrize("key", [*measured()])
def test_any_section_may_be_absent_and_the_card_says_so(key):
    evaluation = measured()
    del evaluation[key]
    assert ModelCard(render(evaluation)).data.library_name == "hal_trl"
    headings = {
        "agreement": "Agreement with GPT-5",
        "told_apart": "People told from AI",
        "leave_one_ai_out": "AIs that were in no training game",
        "leave_one_style_out": "Prompt styles that were in no training game",
        "calibration": "Calibration of P(human)",
        "doctor_dialogues": "Other talk",
        "reference": None,
    }
    if key in headings:
        assert "Not measured: " in render(evaluation) and "Not measured: " not in render()
        assert headings[key] is None or f"### {headings[key]}" not in render(evaluation)


def test_nothing_measured_still_makes_a_card():
    card = render({})
    assert "Not measured: agreement with the judges, telling people from AI" in card
    assert not re.search(r"\bnan\b|Undefined|None", card)
    assert ModelCard(card).data.eval_results is None


def test_figures_that_are_no_numbers_are_dashes():
    evaluation = measured()
    evaluation["told_apart"]["all games"]["auc"] = {"value": float("nan"), "low": float("nan"), "high": float("nan")}
    evaluation["calibration"]["brier"] = None
    card = render(evaluation)
    assert "| all games | 0.940 [0.920, 0.960] | – | 1757 |" in card and "Brier score –" in card
    assert not re.search(r"\bnan\b", card)


HOSTILE = "x | y\n\n---\n# Free `code` [a](http://evil) ![b](c) *d* <script>alert(1)</script> <!-- \"'{{ 7 * 7 }} $e$"


def test_texts_from_outside_stay_text():
    evaluation = measured()
    evaluation["protocol"] = evaluation["data_sha256"] = HOSTILE
    evaluation["leave_one_ai_out"] = {HOSTILE: told(0.4, 0.4, 10)}
    evaluation["leave_one_style_out"] = {HOSTILE: told(0.4, 0.4, 10)}
    evaluation["told_apart"][HOSTILE] = told(0.9, 0.9, 10)
    evaluation["agreement"]["per_trait"] = {HOSTILE: {"spearman": 0.1, "exact": 0.1, "within_one": 0.1}}
    evaluation["reference"][0]["name"] = HOSTILE
    evaluation["speed"]["threads"] = HOSTILE
    traits = [{"id": HOSTILE, "statement": HOSTILE, "group": HOSTILE}]
    likeness = {"weights": {HOSTILE: 1.0}, "reference": {HOSTILE: 3.0}, "bias": 0.0, "curves": None}
    card = render_scorer_card(HOSTILE, evaluation, {"encoder": {"model_type": HOSTILE}, "traits": traits}, likeness)

    metadata = ModelCard(card)
    assert metadata.data.library_name == "hal_trl" and metadata.data.license == "apache-2.0"
    assert card.count("\n---\n") == 1 and metadata.text.count("```") == render().count("```")
    fences = metadata.text.split("```")
    prose, code = "".join(fences[::2]), fences[1]
    assert "<" not in prose and "# Free" not in prose.replace("\\# Free", "") and "{{ 7 * 7 }}" not in prose
    assert not re.search(r"(?<!\\)\[a(?<!\\)\]", prose) and "`code`" not in prose.replace("\\`code\\`", "")
    assert [line for line in code.splitlines() if "<script>" in line] == [
        line for line in code.splitlines() if "from_pretrained(" in line
    ]
    compile(code.removeprefix("python"), "card", "exec")
    for table in re.findall(r"(?:^\|.*\n)+", prose, re.MULTILINE):
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}) == 1


@pytest.mark.parametrize(
    "spoil",
    [
        lambda e: e.update(told_apart=[1]),
        lambda e: e.update(told_apart={"all games": None}),
        lambda e: e.update(agreement={"exact": "high"}),
        lambda e: e.update(calibration={"reliability": [{"predicted": 0.1}, 3]}),
        lambda e: e.update(reference=[{"all games": 0.5}]),
    ],
)
def test_an_evaluation_of_another_form_is_refused(spoil):
    evaluation = copy.deepcopy(measured())
    spoil(evaluation)
    with pytest.raises(ValueError, match="ana/scorer cannot be written"):
        render(evaluation)


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "scorer"
    folder.mkdir()
    for name, content in {"evaluation": measured(), "config": CONFIG, "likeness": LIKENESS}.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def test_the_command_writes_the_card(folder, tmp_path):
    done = CliRunner().invoke(app, ["card", str(folder)])
    assert done.exit_code == 0 and (folder / "README.md").read_text() == card_of_folder(folder)
    assert "\n# scorer\n" in card_of_folder(folder)
    output = tmp_path / "cards" / "mine.md"
    done = CliRunner().invoke(app, ["card", str(folder), "--name", "ana/scorer", "--output", str(output)])
    assert done.exit_code == 0 and output.read_text() == render()


def test_the_command_names_what_is_missing_or_damaged(folder):
    (folder / "config.json").write_text("{")
    done = CliRunner().invoke(app, ["card", str(folder)])
    assert done.exit_code == 1 and "config.json is damaged" in done.output
    (folder / "likeness.json").unlink()
    done = CliRunner().invoke(app, ["card", str(folder)])
    assert done.exit_code == 1 and "No likeness.json in" in done.output and "hal-trl distil" in done.output


def test_the_card_in_the_repository_is_the_one_that_make_cards_writes():
    written = (ROOT / "model_cards" / "hal-traits-mini.md").read_text(encoding="utf-8")
    assert written == card_of_folder(BUNDLED_SCORER), "run `make cards` and commit model_cards/"
