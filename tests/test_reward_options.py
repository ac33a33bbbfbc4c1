import numpy as np
import pytest
import torch.distributed as dist
import torch.multiprocessing as mp

from hal_trl import HL32Q, HALReward, HumanLikenessScore, TraitRatings
from hal_trl.rewards import CannedGuard


PROMPTS = ["what are you up to?", "how was your weekend?", "seen any good films?", "did you eat yet?"]
REPLIES = [
    "not much, just got in and put the kettle on",
    "As an AI I do not have weekends, but I would be happy to help you plan yours!",
    "yeah that one with the lighthouse, slept badly after",
    "toast lol. proper dinner later when my brother's back from work",
]


def test_the_name_of_a_group_stands_for_its_traits():
    table = HALReward(trait_weights={"casual style": 0, "slang": 0.5}).explain(PROMPTS, REPLIES)
    casual = [f"trait/{trait.id}" for trait in HL32Q if trait.group == "casual style" and trait.id != "slang"]
    assert (table[casual] == 0).all().all()
    assert table["trait/slang"].abs().max() > 0 and table["trait/reciprocity"].abs().max() > 0


def test_a_target_is_where_a_trait_adds_most():
    score = HumanLikenessScore.from_profile("hal_trl").with_targets({"brevity": 3.5})
    others = dict.fromkeys(HL32Q.ids, 3.0)
    ratings = TraitRatings([[{**others, "brevity": b}[i] for i in HL32Q.ids] for b in (2.5, 3.5, 4.5)], HL32Q)
    assert np.diff(score.log_odds(ratings)) == pytest.approx([1.0, -1.0])
    assert "brevity" in HALReward(trait_targets={"brevity": 3.5}).likeness.curves


@pytest.mark.parametrize(("target", "error"), [({"brevty": 3}, KeyError), ({"brevity": 7}, ValueError)])
def test_targets_that_make_no_sense_are_refused(target, error):
    with pytest.raises(error):
        HALReward(trait_targets=target)


def test_length_can_be_taken_out_of_the_score():
    reward = HALReward(guards=[])
    effect = reward.scorer.likeness.length_effect
    plain, neutral = (
        reward.explain(PROMPTS, REPLIES),
        HALReward(guards=[], length_neutral=True).explain(PROMPTS, REPLIES),
    )
    words = np.array([len(reply.split()) for reply in REPLIES])
    np.testing.assert_allclose(plain["log_odds"] - neutral["log_odds"], effect(words))
    np.testing.assert_allclose(neutral["length"], effect(words))
    assert (neutral["verdict"] == "unknown").all()  # the verdict was learned with length in
    assert (effect(words) != 0).all()


def test_a_score_without_a_length_effect_cannot_be_length_neutral():
    reward = HALReward()
    with pytest.raises(ValueError, match="length effect"):
        HALReward(reward.scorer, HumanLikenessScore.from_profile("corrected"), length_neutral=True)


def test_outputs_are_one_score_on_three_scales():
    bounded, probability, log_odds = (
        np.array(HALReward(guards=[], output=output)(PROMPTS, REPLIES))
        for output in ("bounded", "probability", "log_odds")
    )
    np.testing.assert_allclose(probability, 1 / (1 + np.exp(-log_odds)))
    np.testing.assert_allclose(bounded, (1 + np.exp(-2 / 3)) / (1 + np.exp(-log_odds / 3)))
    assert log_odds.max() == 2.0  # more than enough is enough
    with pytest.raises(ValueError, match="output must be"):
        HALReward(output="logits")


def test_what_a_guard_forbids_earns_least_on_every_scale():
    for output in ("bounded", "probability", "log_odds"):
        rewards = HALReward(output=output)([*PROMPTS, "hi"], [*REPLIES, ""])
        assert rewards[-1] == min(rewards) and np.isfinite(rewards[-1])
    assert HALReward(output="log_odds")(["hi"], [""]) == [-10.0]


def test_z_scores_leave_abstentions_out():
    rewards = HALReward(standardize=True)([*PROMPTS, "hi"], [*REPLIES, None])
    assert rewards[-1] is None
    assert np.mean(rewards[:-1]) == pytest.approx(0, abs=1e-9) and np.std(rewards[:-1]) == pytest.approx(1)
    assert HALReward(standardize=True)(["hi"] * 2, ["hey there"] * 2) == [0.0, 0.0]


class OutOfReach:
    traits = HL32Q

    def score(self, dialogues):
        raise ConnectionError("no route to judge")


def test_a_scorer_that_fails_abstains_and_ends_a_run_that_goes_nowhere():
    likeness = HumanLikenessScore.from_profile("hal_trl")
    reward, metrics = HALReward(OutOfReach(), likeness, max_abstained=0.5), {}
    assert reward(PROMPTS, REPLIES, log_metric=metrics.__setitem__) == [None] * 4
    assert metrics["hal/abstained"] == 1.0
    with pytest.raises(RuntimeError, match="no route to judge"):
        for _ in range(128):
            reward(PROMPTS, REPLIES)
    with pytest.raises(ValueError, match="share"):
        HALReward(max_abstained=0)


def _on_one_process(rank: int, port: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
    # One prompt a process: what is canned, and what is usual, only shows to those who see both.
    canned = HALReward(guards=[CannedGuard()])
    prompts, reply = [PROMPTS[rank]] * 4, "haha yeah i know what you mean"
    rewards = canned(prompts, [reply] * 4)
    scores = HALReward(standardize=True)([PROMPTS[rank]] * 2, REPLIES[2 * rank : 2 * rank + 2])
    np.savez(
        f"{folder}/{rank}.npz", rewards=rewards, scores=scores, alone=canned.explain(prompts, [reply] * 4)["reward"]
    )
    dist.destroy_process_group()


@pytest.mark.slow
def test_groups_may_straddle_processes(tmp_path):
    mp.spawn(_on_one_process, args=(29_517, str(tmp_path)), nprocs=2)
    parts = [np.load(tmp_path / f"{rank}.npz") for rank in (0, 1)]
    assert all((part["rewards"] == 0).all() and (part["alone"] > 0).all() for part in parts)
    scores = np.concatenate([part["scores"] for part in parts])
    assert scores.mean() == pytest.approx(0, abs=1e-6) and scores.std() == pytest.approx(1, abs=1e-6)
