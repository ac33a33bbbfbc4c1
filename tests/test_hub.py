"""Pushing and loading with the real client, over HTTP, against a stand-in for the Hub."""

import json
import shutil

import pytest
from huggingface_hub import ModelCard

from hal_trl import Dialogue, HALReward, HALTraitModel
from hal_trl.likeness import BUNDLED_SCORER

from .evaluations import measured
from .hub_client import HubClient, HubClientError
from .hub_stand_in import Blob, HubStandIn, Repository


TOKEN, OTHER_TOKEN = "hf_the-secret-of-ana", "hf_the-secret-of-ben"
FILES = {"README.md", "config.json", "evaluation.json", "likeness.json", "model.safetensors"}

PROMPTS = ["how was your weekend?", "what's up?", ""]
COMPLETIONS = ["pretty good, slept in lol", "I am doing well! How may I assist you today?", "ok"]
REWARDS = f"[r.hex() for r in reward(prompts={PROMPTS!r}, completions={COMPLETIONS!r})]"

PREPARE = f"""
import json
from hal_trl import HALReward, HALTraitModel
model = HALTraitModel.from_pretrained({str(BUNDLED_SCORER)!r})
model.evaluation = json.loads({json.dumps(measured())!r})
"""


@pytest.fixture(scope="module")
def hub():
    with HubStandIn({TOKEN: "ana", OTHER_TOKEN: "ben"}).serving() as hub:
        yield hub


@pytest.fixture(scope="module")
def author(hub, tmp_path_factory):
    """A logged-in user with an evaluated `model`."""
    client = HubClient(hub.url, tmp_path_factory.mktemp("hub") / "author", TOKEN)
    client.run(PREPARE)
    yield client
    client.close()


@pytest.fixture(scope="module")
def reader(hub, tmp_path_factory):
    """Somebody else's machine: an empty cache, and no token but the one that is passed."""
    client = HubClient(hub.url, tmp_path_factory.mktemp("hub") / "reader")
    client.run("from hal_trl import HALReward, HALTraitModel")
    yield client
    client.close()


@pytest.fixture(scope="module")
def pushed(hub, author):
    """The commit of a private push, and the rewards at the author's."""
    commit = author.run("commit = model.push_to_hub('ana/scorer', private=True)\nresult = [str(commit), commit.oid]")
    return commit, author.run(f"reward = HALReward(model)\nresult = {REWARDS}")


def files_of(hub: HubStandIn, repo_id: str, revision: str = "main") -> dict[str, bytes]:
    return {path: blob.content for path, blob in hub.repositories[repo_id].files(revision).items()}


def only_initial_commit(hub: HubStandIn, repo_id: str) -> bool:
    repository = hub.repositories[repo_id]
    return list(files_of(hub, repo_id)) == [".gitattributes"] and len(repository.commits) == 1


def test_a_push_puts_weights_score_evaluation_and_card_into_one_commit(hub, pushed):
    (url, oid), _ = pushed
    repository = hub.repositories["ana/scorer"]
    assert url == f"{hub.url}/ana/scorer/commit/{oid}" and repository.refs["main"] == oid
    assert repository.private and len(repository.commits) == 2
    assert set(repository.files()) == FILES | {".gitattributes"}
    assert repository.files()["model.safetensors"].lfs
    assert json.loads(repository.files()["evaluation.json"].content) == measured()


def test_the_card_on_the_hub_is_the_evaluated_one(hub, pushed):
    card = ModelCard(files_of(hub, "ana/scorer")["README.md"].decode())
    assert card.data.library_name == "hal_trl" and card.data.language == "en" and card.data.license == "apache-2.0"
    results = {(r.dataset_config, r.metric_type): r.metric_value for r in card.data.eval_results}
    assert results["all games", "pairwise_accuracy"] == 0.94
    assert results["agreement with GPT-5", "spearmanr"] == 0.6
    assert 'HALReward.from_pretrained("ana/scorer")' in card.text and "interrogators" in card.text


def test_another_machine_loads_the_same_scores_to_the_bit(reader, pushed):
    (_, oid), rewards = pushed
    there = reader.run(f"reward = HALReward.from_pretrained('ana/scorer', token={TOKEN!r})\nresult = {REWARDS}")
    assert there == rewards
    assert reader.run("result = reward.scorer.evaluation") == measured()
    assert reader.run("result = reward.scorer.name_or_path") == "ana/scorer"
    code = f"HALReward.from_pretrained('ana/scorer', revision={oid!r}, local_files_only=True)"
    assert reader.run(f"reward = {code}\nresult = {REWARDS}") == rewards


def test_the_auto_class_loads_it_too(reader, pushed):
    code = f"AutoModel.from_pretrained('ana/scorer', token={TOKEN!r})"
    assert reader.run(f"from transformers import AutoModel\nresult = type({code}).__name__") == "HALTraitModel"


def test_a_cache_of_ones_own_is_filled(reader, pushed, tmp_path):
    reader.run(f"HALReward.from_pretrained('ana/scorer', token={TOKEN!r}, cache_dir={str(tmp_path)!r})")
    snapshot = next((tmp_path / "models--ana--scorer" / "snapshots").iterdir())
    assert {path.name for path in snapshot.iterdir()} == FILES - {"README.md"}


def test_everything_comes_from_one_commit_even_if_somebody_pushes_meanwhile(hub, reader, pushed):
    """The score of a later commit must not meet the weights of an earlier one."""
    repository = hub.repositories["ana/moving"] = Repository()
    files = {path: Blob(content) for path, content in files_of(hub, "ana/scorer").items()}
    repository.commit(files)
    likeness = json.loads(files["likeness.json"].content)
    later = Blob(json.dumps({**likeness, "bias": 99.0}).encode())
    hub.meanwhile.append(lambda: repository.commit({"likeness.json": later}))
    bias = "HALTraitModel.from_pretrained('ana/moving').likeness.bias"
    assert reader.run(f"result = {bias}") == likeness["bias"]
    assert not hub.meanwhile and len(repository.commits) == 2
    assert reader.run(f"result = {bias}") == 99.0


def test_a_branch_and_a_pull_request_leave_main_alone(hub, author, pushed):
    main = hub.repositories["ana/scorer"].refs["main"]
    author.run("model.evaluation['seed'] = 1\nmodel.push_to_hub('ana/scorer', revision='next')")
    author.run("model.evaluation['seed'] = 2\nresult = model.push_to_hub('ana/scorer', create_pr=True).pr_url")
    author.run("model.evaluation['seed'] = 0")
    assert hub.repositories["ana/scorer"].refs["main"] == main
    assert json.loads(files_of(hub, "ana/scorer", "next")["evaluation.json"])["seed"] == 1
    assert json.loads(files_of(hub, "ana/scorer", "refs/pr/1")["evaluation.json"])["seed"] == 2


def test_saving_with_push_keeps_the_card_and_a_bare_name_is_the_users_own(hub, author, tmp_path):
    author.run(f"model.save_pretrained({str(tmp_path / 'mine')!r}, push_to_hub=True)")
    assert not hub.repositories["ana/mine"].private
    assert b'HALReward.from_pretrained("ana/mine")' in files_of(hub, "ana/mine")["README.md"]


def test_private_is_never_pushed_to_a_public_repository(hub, author):
    hub.repositories["ana/public"] = Repository()
    hub.repositories["ana/public"].commit({".gitattributes": Blob(b"")})
    with pytest.raises(
        HubClientError, match=r"ana/public exists and is public, nothing was uploaded\. Make it private"
    ):
        author.run("model.push_to_hub('ana/public', private=True)")
    assert only_initial_commit(hub, "ana/public")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'ana/scorer', token='hf_wrong', cache_dir='{cache}'", "401.*Invalid credentials"),
        ("'ana/scorer', cache_dir='{cache}'", "401.*(Invalid username or password|make sure you are authenticated)"),
        (f"'ana/scorer', token='{OTHER_TOKEN}', cache_dir='{{cache}}'", "404.*Repository Not Found"),
        (f"'ana/nowhere', token='{TOKEN}'", "404.*Repository Not Found"),
        (f"'ana/scorer', token='{TOKEN}', revision='v9'", "404.*Revision Not Found"),
        ("'ana/scorer', local_files_only=True, cache_dir='{cache}'", "FileNotFoundError|LocalEntryNotFound"),
        ("'not/a/repository'", "FileNotFoundError: not/a/repository is neither a folder nor the id"),
    ],
    ids=["wrong token", "no token", "another's token", "no repository", "no revision", "not in the cache", "no id"],
)
def test_what_cannot_be_loaded_says_why(reader, pushed, tmp_path, arguments, message):
    arguments = arguments.format(cache=tmp_path)
    with pytest.raises(HubClientError, match=f"(?s){message}"):
        reader.run(f"HALReward.from_pretrained({arguments})")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"likeness.json": None}, "FileNotFoundError: ana/spoilt has a scorer but no likeness.json"),
        ({"likeness.json": b'{"bias"'}, "ValueError: .*likeness.json is not a human-likeness score"),
        ({"evaluation.json": b"[1]"}, "ValueError: .*evaluation.json is damaged"),
        ({"model.safetensors": b"short"}, "ValueError: The trait scorer at ana/spoilt cannot be loaded"),
        ({"model.safetensors": None, "pytorch_model.bin": b"\x80\x04pickle"}, "OSError: .*model.safetensors"),
    ],
    ids=["no score", "cut score", "no evaluation object", "cut weights", "a pickle"],
)
def test_a_spoilt_repository_is_refused_with_the_reason(hub, reader, pushed, change, message):
    repository = hub.repositories["ana/spoilt"] = Repository()
    files = {**files_of(hub, "ana/scorer"), **change}
    repository.commits[f"{len(hub.requests):040x}"] = {
        path: Blob(content) for path, content in files.items() if content is not None
    }
    repository.refs["main"] = f"{len(hub.requests):040x}"
    with pytest.raises(HubClientError, match=f"(?s){message}"):
        reader.run("HALReward.from_pretrained('ana/spoilt')")
    assert not any("pytorch_model.bin" in request for request in hub.requests)


def test_a_hub_that_is_down_is_named_and_the_cache_still_loads(hub, reader, pushed, tmp_path):
    _, rewards = pushed
    hub.fail("/api/models/ana/scorer")
    with pytest.raises(HubClientError, match=r"(?s)503.*cannot find the appropriate"):
        reader.run(f"HALReward.from_pretrained('ana/scorer', token={TOKEN!r}, cache_dir={str(tmp_path)!r})")
    reader.run(f"HALReward.from_pretrained('ana/scorer', token={TOKEN!r})")
    hub.fail("/api/models/ana/scorer")
    code = f"reward = HALReward.from_pretrained('ana/scorer', token={TOKEN!r})\nresult = {REWARDS}"
    assert reader.run(code) == rewards
    assert not hub.failures


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda hub: hub.fail("/commit/"), "503.*/commit/main"),
        (lambda hub: hub.fail("/preupload/", status=507), "507.*/preupload/main"),
        (lambda hub: hub.spoil_upload("damaged"), "Error while uploading 'model.safetensors'"),
    ],
    ids=["at the commit", "before the upload", "during the upload"],
)
def test_a_failed_push_leaves_no_half_made_commit_and_can_be_repeated(hub, author, request, fault, message):
    repo_id = f"ana/{request.node.callspec.id.replace(' ', '-')}"
    hub.large_files.clear()
    fault(hub)
    with pytest.raises(HubClientError, match=f"(?s){message}"):
        author.run(f"model.push_to_hub({repo_id!r})")
    assert only_initial_commit(hub, repo_id)
    author.run(f"model.push_to_hub({repo_id!r})")
    assert set(files_of(hub, repo_id)) == FILES | {".gitattributes"}


def test_short_troubles_are_ridden_out(hub, author):
    hub.large_files.clear()
    hub.fail("/preupload/")
    hub.spoil_upload("cut")
    author.run("model.push_to_hub('ana/patient')")
    assert set(files_of(hub, "ana/patient")) == FILES | {".gitattributes"}
    assert not hub.failures and not hub.spoilt_uploads


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("'ana/denied', token='hf_wrong'", "401.*Invalid credentials"),
        ("'ben/denied'", "403.*rights to create a model under this namespace"),
        ("'denied', token='hf_wrong'", "401|Invalid user token"),
    ],
    ids=["wrong token", "another's namespace", "wrong token and a bare name"],
)
def test_a_push_without_the_right_to_is_refused(hub, author, arguments, message):
    with pytest.raises(HubClientError, match=f"(?s){message}"):
        author.run(f"model.push_to_hub({arguments})")
    assert not any(name.endswith("/denied") for name in hub.repositories)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ({"likeness": None}, "Not pushed to ana/bare: a scorer without its score.*Set model.likeness"),
        ({"evaluation": None}, r"nothing measured \(missing: agreement, told_apart\).*Set model.evaluation"),
        ({"evaluation": {"agreement": {"exact": 0.5}}}, r"nothing measured \(missing: told_apart\)"),
    ],
    ids=["no score", "no evaluation", "half an evaluation"],
)
def test_a_model_without_evidence_is_not_pushed(spoil, message):
    model = HALTraitModel.from_pretrained(BUNDLED_SCORER)
    model.evaluation = measured()
    for name, value in spoil.items():
        setattr(model, name, value)
    with pytest.raises(ValueError, match=f"(?s){message}"):
        model.push_to_hub("ana/bare")


def test_no_token_is_left_in_repositories_caches_or_output(hub, author, reader, pushed):
    reader.run(f"HALReward.from_pretrained('ana/scorer', token={TOKEN!r})")
    for client, failing in ((author, "model.push_to_hub"), (reader, "HALReward.from_pretrained")):
        with pytest.raises(HubClientError, match=r"40[34]"):
            client.run(f"{failing}('ana/secret', token={OTHER_TOKEN!r})")
        client.run("import sys\nsys.stderr.flush()")
    texts = [
        blob.content
        for repo in hub.repositories.values()
        for files in repo.commits.values()
        for blob in files.values()
    ]
    for client in (author, reader):
        assert client.log.stat().st_size
        places = [client.log, *client.log.with_suffix("").rglob("*")]
        texts += [path.read_bytes() for path in places if path.is_file()]
    assert list(reader.log.with_suffix("").rglob("model.safetensors"))
    assert not any(token.encode() in text for text in texts for token in (TOKEN, OTHER_TOKEN))


def test_score_and_evaluation_are_saved_and_loaded_with_the_weights(tmp_path):
    model = HALTraitModel.from_pretrained(BUNDLED_SCORER)
    model.evaluation = measured()
    model.save_pretrained(tmp_path)
    loaded = HALTraitModel.from_pretrained(tmp_path)
    ratings = loaded.score([Dialogue.from_completion("so?", "nm wbu")])
    assert loaded.evaluation == measured()
    assert (loaded.likeness.log_odds(ratings) == model.likeness.log_odds(ratings)).all()
    reward = HALReward(loaded, guards=[], output="log_odds")
    assert reward(["so?"], ["nm wbu"]) == pytest.approx(loaded.likeness.saturated().log_odds(ratings).tolist())


def test_a_new_model_has_neither_score_nor_evaluation(tmp_path):
    from hal_trl import HALTraitConfig

    model = HALTraitModel(HALTraitConfig(n_buckets=64))
    model.save_pretrained(tmp_path / "model")
    loaded = HALTraitModel.from_pretrained(tmp_path / "model")
    assert loaded.likeness is None and loaded.evaluation is None
    with pytest.raises(ValueError, match="Pass likeness="):
        HALReward(loaded)
    shutil.copytree(tmp_path / "model", tmp_path / "repository" / "deep")
    assert HALTraitModel.from_pretrained(tmp_path / "repository", subfolder="deep").config.n_buckets == 64
