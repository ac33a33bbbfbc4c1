import json
import subprocess
import sys

import pytest

from hal_trl.rewards.audit import ATTACKS, audit, import_reward, load_cases, load_probes, static_attacks


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


# Nothing in the reward yet hears whether a reply makes sense or answers its prompt; with three canned replies in turn
# each is too rare to be penalised much.
GETS_THROUGH = {
    "canned, three kinds",
    "one token",
    "word shuffle",
    "typo stuffing",
    "truncated words",
    "other languages",
    "off topic",
}


def test_the_reward_holds_off_all_other_attacks():
    from hal_trl import HALReward

    shares = {result.attack: result.human_above for result in audit(HALReward()).results}
    assert set(shares) >= GETS_THROUGH
    held_off = {attack: share for attack, share in shares.items() if attack not in GETS_THROUGH}
    assert min(held_off.values()) >= 0.9, held_off
    assert held_off["empty"] == held_off["dishonest when asked"] == 1.0
