"""Contrast replies: what a small chat model says where people in the games were asked something."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from .alignment import generate_replies, load_chat_model
from .alignment.grpo import MAX_REPLY_TOKENS, chat
from .scorers.games import Games


def sample_contrast(games: Games, output: str | Path, n: int, seed: int = 0) -> None:
    """Let SmolLM2-135M-Instruct answer questions that people answered, and write the replies as JSON.

    The games know six AIs, all large or scripted; a reward meets small models in training. Every other reply is
    sampled with the chat instruction of the demo, the rest with the model's own system message.

    Args:
        games ([`~hal_trl.scorers.games.Games`]): Where the questions are from.
        output (`str` or `Path`): JSON file of `{"game_id", "question", "reply"}` rows.
        n (`int`): How many replies.
        seed (`int`, *optional*, defaults to 0): Of the choice of questions and of the sampling.
    """
    asked = [
        (int(game), reply.context_texts[-1])
        for dialogue, game, human in zip(games.dialogues, games.game_id, games.is_human, strict=True)
        if human
        for reply in dialogue.target_replies()
        if reply.context_texts and reply.context_texts[-1].strip()
    ]
    chosen = [asked[i] for i in np.random.default_rng(seed).permutation(len(asked))[:n]]
    chats = [chat(question)[i % 2 :] for i, (_, question) in enumerate(chosen)]
    model, tokenizer = load_chat_model()
    replies = generate_replies(model, tokenizer, chats, MAX_REPLY_TOKENS, seed=seed, description="contrast replies")
    rows = [
        {"game_id": game, "question": question, "reply": reply}
        for (game, question), reply in zip(chosen, replies, strict=True)
    ]
    Path(output).parent.mkdir(parents=True, exist_ok=True)
    Path(output).write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
