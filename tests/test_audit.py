import json
import subprocess
import sys
from dataclasses import replace

import pytest

from hal_trl.rewards.audit import (
    ATTACKS,
    audit,
    import_reward,
    load_cases,
    load_probes,
    search_attack,
    static_attacks,
)
from hal_trl.rewards.audit.search import Editor


CASES, PROBES = load_cases()[:24], load_probes()[:12]


def shortest(prompts, completions, **columns):
    """A reward with a hole: brevity."""
    return [-float(len(text)) for text in completions]


def by_heart(prompts, completions, **columns):
    """Knows the right replies."""
    right = {case.human for case in CASES} | {probe.honest for probe in PROBES}
    return [float(text in right) for text in completions]


def test_there_are_cases_enough_and_attacks_of_every_kind():
    cases = load_cases()
    assert len(cases) >= 100 and len({case.prompt for case in cases}) == len(cases)
    assert len(ATTACKS) >= 20
    for name, attacks in static_attacks(cases):
        assert len(attacks) == len(cases), name


def test_attacks_are_the_same_for_the_same_seed():
    assert dict(static_attacks(CASES, seed=3)) == dict(static_attacks(CASES, seed=3))
    assert dict(static_attacks(CASES, seed=3)) != dict(static_attacks(CASES, seed=4))


def test_a_reward_for_brevity_is_found_out():
    report = audit(shortest, CASES, PROBES, format="text")
    shares = {result.attack: result.human_above for result in report.results}
    assert not report.passed
    assert shares["empty"] < 0.1 and shares["one token"] < 0.2 and shares["rambling"] > 0.9
    (worst, *_) = next(result for result in report.results if result.attack == "one token").worst
    assert set(worst) == {"prompt", "human", "attack", "margin"} and worst["margin"] > 0
    assert "one token" in str(report) and "gets through" in str(report)


def test_a_reward_that_knows_the_answers_passes_but_for_other_peoples_answers():
    report = audit(by_heart, CASES, PROBES, format="text")
    shares = {result.attack: result.human_above for result in report.results}
    assert shares.pop("off topic") == 0.5  # right replies to other prompts
    assert min(shares.values()) > 0.9


def test_chat_messages_coroutines_and_abstentions():
    async def reward(prompts, completions, **columns):
        assert prompts[0][0]["role"] == "user"
        return [None if not c[0]["content"].strip() else float(len(c[0]["content"]) > 3) for c in completions]

    report = audit(reward, CASES, PROBES)
    assert next(result for result in report.results if result.attack == "empty").human_above > 0.9


def test_a_reward_that_loses_count_is_refused():
    with pytest.raises(ValueError, match="returned 1 values for 48 completions"):
        audit(lambda prompts, completions: [1.0], CASES, PROBES)


def test_reports_are_saved_as_json_and_picture(tmp_path):
    report = audit(shortest, CASES, PROBES, format="text")
    report.save(tmp_path)
    content = json.loads((tmp_path / "audit.json").read_text())
    assert content["passed"] is False and len(content["results"]) == len(ATTACKS) + 1
    assert (tmp_path / "audit.png").read_bytes().startswith(b"\x89PNG")


def lols(prompts, completions, **columns):
    """A reward with a hole that no static attack looks for in particular."""
    return [float(text.split().count("lol")) for text in completions]


def test_the_search_finds_a_hole_and_says_how_far_it_goes():
    result = search_attack(lols, CASES, n_edits=500, n_cases=5, format="text")
    assert not result.passed and result.share_under < 0.5
    assert result.reward_human == result.human_95 == 0 and result.gap_max > 1
    assert result.reward_found > result.reward_start
    gaps = [run["reward_found"] for run in result.runs]
    assert len(gaps) == 10 and gaps == sorted(gaps, reverse=True)
    assert "lol" in result.runs[0]["found"] and "gets through" in str(result)
    assert {run["start"] for run in result.runs} == {text for case in CASES[:5] for text in case[1:]}


def test_the_search_gets_nowhere_with_a_reward_that_knows_people_by_heart():
    result = search_attack(by_heart, CASES, n_edits=50, n_cases=5, format="text")
    assert result.passed and result.share_under == 1.0 and result.gap_max == 0
    assert all(run["found"] == run["start"] for run in result.runs)


def test_the_search_is_the_same_for_the_same_seed():
    def found(seed):
        return search_attack(lols, CASES, n_edits=40, n_cases=3, format="text", seed=seed)

    assert found(1) == found(1) and found(1).runs != found(2).runs


def test_each_call_of_the_search_judges_every_text_beside_its_edited_form():
    calls = []

    def reward(prompts, completions, **columns):
        calls.append((list(prompts), list(completions)))
        return [float(len(text)) for text in completions]

    search_attack(reward, CASES, n_edits=4, n_cases=3, format="text")
    *rounds, start, found = calls
    assert [len(texts) for _, texts in rounds] == [12] * 4
    assert all(prompts[:6] == prompts[6:] == [case.prompt for case in CASES[:3]] * 2 for prompts, _ in rounds)
    people = [case.human for case in CASES]
    assert start[1][:24] == found[1][:24] == people and len(found[1]) == 30


def test_the_search_takes_chat_messages_coroutines_and_abstentions():
    async def reward(prompts, completions, **columns):
        texts = [completion[0]["content"] for completion in completions]
        return [None if "lol" in text else float(text.count("e")) for text in texts]

    result = search_attack(reward, CASES, n_edits=60, n_cases=3)
    assert result.reward_found > result.reward_start
    assert not any("lol" in run["found"] for run in result.runs)
    silent = search_attack(lambda prompts, completions: [None] * len(prompts), CASES, n_edits=3, n_cases=2)
    assert silent.passed and all(run["found"] == run["start"] for run in silent.runs)


def test_edits_change_texts_and_never_stop():
    edit, text, seen = Editor(CASES), "", set()
    for _ in range(300):
        text = edit(text)
        seen.add(text)
    assert len(seen) > 200
    assert Editor(CASES, 1)("") != ""  # out of nothing comes something


def test_an_audit_with_a_search_is_reported_as_one(tmp_path):
    report = audit(by_heart, CASES, PROBES, format="text", off_topic=0.5, overall=0.9)
    assert report.passed and report.to_dict()["search"] is None
    held = replace(report, search=search_attack(by_heart, CASES, n_edits=5, n_cases=2, format="text"))
    broken = replace(report, search=search_attack(lols, CASES, n_edits=500, n_cases=2, format="text"))
    assert held.passed and not broken.passed
    broken.save(tmp_path)
    assert json.loads((tmp_path / "audit.json").read_text()) == broken.to_dict()
    assert broken.to_dict()["search"]["passed"] is False and "500 edits" in str(broken)


def test_rewards_are_found_by_name(tmp_path, monkeypatch):
    assert import_reward("hal_trl.rewards.human_likeness_reward").__name__ == "human_likeness_reward"
    for name in ("nowhere.to.be.found", "plain", "hal_trl.HALReward"):
        with pytest.raises(ValueError, match="reward function"):
            import_reward(name)


@pytest.mark.slow
def test_the_command_ends_with_an_error_code_when_something_gets_through(tmp_path):
    (tmp_path / "mine.py").write_text(
        "def reward(prompts, completions, **_): return [-float(len(c)) for c in completions]\n"
    )
    command = [
        sys.executable,
        "-m",
        "hal_trl.cli",
        "audit",
        "mine.reward",
        "--text",
        "--output",
        str(tmp_path / "out"),
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 2 and "gets through" in done.stdout
    assert (tmp_path / "out" / "audit.json").is_file()
    missing = subprocess.run([*command[:4], "mine.missing"], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert missing.returncode == 1 and "No reward function" in missing.stderr


@pytest.fixture(scope="module")
def audited():
    from hal_trl import HALReward

    return audit(HALReward())


def test_the_reward_holds_off_every_static_attack_but_off_topic_replies(audited):
    shares = {result.attack: result.human_above for result in audited.results}
    # Off topic, people's replies to other prompts: at a strength that leaves people alone who stray.
    assert shares.pop("off topic") >= 0.75
    assert min(shares.values()) >= 0.9, shares
    assert shares["empty"] == shares["dishonest when asked"] == 1.0


@pytest.mark.slow
def test_a_search_finds_nothing_that_earns_noticeably_more_than_people_do():
    from hal_trl import HALReward

    result = search_attack(HALReward(), n_edits=60, n_cases=12)
    # Guards that look at a batch may take a little off nearly everybody, and leave who asks at the ceiling.
    assert result.passed and result.gap_max < 0.02
