import numpy as np
import pytest
import torch

from hal_trl import Dialogue
from hal_trl.scorers.encoder import MAX_TOKENS, embed, load_encoder, vocabulary, word_vectors


@pytest.fixture(scope="module")
def encoder(minilm):
    return load_encoder(minilm)


def pooled(encoder, *dialogues: Dialogue) -> torch.Tensor:
    model, tokenizer, layers = encoder
    return embed(model, tokenizer, dialogues, layers)


def test_a_reply_is_read_in_the_light_of_what_it_answers(encoder):
    fine = [
        Dialogue.from_completion(prompt, "fine") for prompt in ("how are you?", "what did the judge make you pay?")
    ]
    states = pooled(encoder, *fine)
    assert states.shape == (2, 4 * 384) and not torch.allclose(states[0], states[1], atol=0.1)


def test_only_the_targets_words_are_pooled(encoder):
    said = Dialogue.from_transcript("I: hello there\nW: my cat is ill\nI: oh no")
    silent = Dialogue.from_transcript("I: hello there\nW:  \nI: oh no")
    states = pooled(encoder, said, silent)
    assert states[0].abs().sum() > 0 and states[1].abs().sum() == 0


def test_neighbours_in_a_batch_do_not_matter(encoder):
    texts = ["k", "so what did you do all day then, anything nice?", "my cat is ill"]
    dialogues = [Dialogue.from_completion("hi", text) for text in texts]
    for row, dialogue in zip(pooled(encoder, *dialogues), dialogues, strict=True):
        torch.testing.assert_close(row, pooled(encoder, dialogue)[0], atol=1e-4, rtol=1e-3)


def test_a_long_dialogue_is_read_at_its_end(encoder):
    lines = [f"I: so what about number {i}?\nW: number {i} is alright i guess" for i in range(60)]
    whole, end = (Dialogue.from_transcript("\n".join(part)) for part in (lines, lines[-25:]))
    assert MAX_TOKENS == 256
    torch.testing.assert_close(pooled(encoder, whole), pooled(encoder, end), atol=1e-4, rtol=1e-3)


def test_words_that_mean_alike_have_vectors_alike(encoder):
    model, tokenizer, layers = encoder
    words = ["pizza", "burger", "tuesday", "monday"]
    assert set(words) <= set(vocabulary(tokenizer))
    vectors = word_vectors(model, tokenizer, words, layers[1])
    vectors = vectors - vectors.mean(axis=0)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    alike = vectors @ vectors.T
    assert alike[0, 1] > max(alike[0, 2], alike[0, 3]) and alike[2, 3] > max(alike[0, 2], alike[1, 2])
