"""`SenseModel`: does a reply read as language, and does it answer its prompt? Heads on a small encoder."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel

from .packing import load_packed, rounded, save_packed


SENSE_FOLDER = Path(__file__).parent / "hal-sense"
PAD, UNKNOWN, FIRST, LAST = "[PAD]", "[UNK]", "[CLS]", "[SEP]"
MAX_TOKENS = 64
NATURAL_LAYERS = (2, 3)  # what is well formed shows low down, what is meant at the top

_HIDDEN, _MATCH = 128, 64
N_OTHERS = 64
_BATCH = 16  # texts of like length: padding costs more than small batches do
_REMEMBERED = 1024
_MAX_CHARACTERS = 16 * MAX_TOKENS
_PERCENTS = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 75.0, 95.0)
# The encoder knows no emoji: they all look like one unknown word, and a person's one smile is none.
_PICTURE = re.compile("[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\ufe0f\u200d]+")


class Quantiles(NamedTuple):
    """What people's replies show of some quantity.

    Args:
        percents (`list[float]`): Rising, 0-100.
        values (`list[float]`): The quantity at each.
    """

    percents: list[float]
    values: list[float]

    @classmethod
    def of(cls, values: np.ndarray) -> Quantiles:
        return cls(list(_PERCENTS), [round(float(v), 4) for v in np.percentile(values, _PERCENTS)])

    def at(self, percent: float) -> float:
        """The quantity that this share of people's replies stays under."""
        return float(np.interp(percent, self.percents, self.values))


class Reading(NamedTuple):
    """What the encoder makes of texts.

    Args:
        form (`torch.Tensor` of shape `(n, 6 * hidden)`): Mean, spread and maximum over the tokens of two lower layers.
        meaning (`torch.Tensor` of shape `(n, hidden)`): Unit sentence vectors.
    """

    form: torch.Tensor
    meaning: torch.Tensor


class SenseModel(nn.Module):
    """Two small heads on all-MiniLM-L6-v2 with 4- and 8-bit weights, whose upper half has learnt what answers what.

    `natural` tells texts as people and AIs write them from spoilt ones (shuffled, misspelt, stuffed, stitched
    together...); `answers` tells a reply to a prompt from the replies to other prompts. English. `people` holds what
    people's replies get from both, as [`Quantiles`] by name: what is unusual is said by them, not by the log-odds.
    `others` are the meanings of some prompts to compare with: "lol same" answers them all, and so is never off topic.

    Args:
        config (`BertConfig`): Of the encoder.
        vocabulary (`Sequence[str]`): Its word pieces.
    """

    def __init__(self, config: BertConfig, vocabulary: Sequence[str]):
        super().__init__()
        self.vocabulary = tuple(vocabulary)
        self.tokenizer = _tokenizer(self.vocabulary)
        self.encoder = BertModel(config, add_pooling_layer=False)
        size = config.hidden_size
        self.register_buffer("form_mean", torch.zeros(6 * size))
        self.register_buffer("form_scale", torch.ones(6 * size))
        self.natural_head = nn.Sequential(
            nn.Linear(6 * size, _HIDDEN), nn.GELU(), nn.Dropout(0.3), nn.Linear(_HIDDEN, 1)
        )
        self.of_prompt, self.of_reply = nn.Linear(size, _MATCH), nn.Linear(size, _MATCH)
        self.match_head = nn.Sequential(
            nn.Linear(3 * _MATCH, _MATCH), nn.GELU(), nn.Dropout(0.2), nn.Linear(_MATCH, 1)
        )
        self.slope = nn.Parameter(torch.tensor(8.0))
        self.register_buffer("others", torch.zeros(N_OTHERS, size))
        self.people: dict[str, Quantiles] = {}
        self._known: dict[str, Reading] = {}
        self.eval()

    @classmethod
    def from_encoder(cls, encoder: str) -> SenseModel:
        """Untrained heads on a BERT-like sentence encoder, without the word pieces of other scripts.

        Args:
            encoder (`str`): Folder or Hub id, such as `sentence-transformers/all-MiniLM-L6-v2`.
        """
        from transformers import AutoModel, AutoTokenizer

        pieces = AutoTokenizer.from_pretrained(encoder).get_vocab()
        whole = AutoModel.from_pretrained(encoder, use_safetensors=True, dtype=torch.float32)
        latin = [piece for piece in sorted(pieces, key=pieces.get) if _LATIN.fullmatch(piece) and piece[0] != "["]
        vocabulary = [PAD, UNKNOWN, FIRST, LAST, *latin]
        state = whole.state_dict()
        words = "embeddings.word_embeddings.weight"
        state[words] = state[words][[pieces[piece] for piece in vocabulary]]
        settings = {**whole.config.to_dict(), "vocab_size": len(vocabulary), "pad_token_id": 0}
        model = cls(BertConfig(**{name: settings[name] for name in _SIZES}), vocabulary)
        own = model.encoder.state_dict()
        model.encoder.load_state_dict({name: rounded(f"encoder.{name}", state[name]) for name in own})
        model.encoder.requires_grad_(False)
        return model

    @torch.inference_mode()
    def read(self, texts: Sequence[str]) -> Reading:
        """Read any number of texts. The last distinct ones are remembered: guards share them, prompts come again."""
        known = dict(self._known)
        new = [text for text in dict.fromkeys(texts) if text not in known]
        if new:
            rows = self.tokenize(new)
            order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
            for k in range(0, len(order), _BATCH):
                part = order[k : k + _BATCH]
                read = zip(*self.encode([rows[i] for i in part]), strict=True)
                known.update((new[i], Reading(*row)) for i, row in zip(part, read, strict=True))
            self._known = dict(list(known.items())[-_REMEMBERED:])
        return Reading(*(torch.stack(rows) for rows in zip(*(known[text] for text in texts), strict=True)))

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Token ids, at most `MAX_TOKENS` and the two marks at the ends."""
        # Half of a surrogate pair, as a tokenizer may cut it, is no text that can be encoded.
        whole = [text[:_MAX_CHARACTERS].encode("utf-8", "replace").decode("utf-8") for text in texts]
        shown = [_PICTURE.sub(" ", text) for text in whole]
        first, last = (self.tokenizer.token_to_id(mark) for mark in (FIRST, LAST))
        encoded = self.tokenizer.encode_batch(shown, add_special_tokens=False)
        return [[first, *entry.ids[:MAX_TOKENS], last] for entry in encoded]

    def forget(self) -> None:
        """Read every text anew: the encoder has changed."""
        self._known = {}

    def encode(self, rows: Sequence[Sequence[int]]) -> Reading:
        """Read texts that [`SenseModel.tokenize`] cut, padded to the longest."""
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, tokens in enumerate(rows):
            ids[row, : len(tokens)], mask[row, : len(tokens)] = torch.tensor(tokens), 1
        states = self.encoder(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states
        weight = mask[..., None].float()
        count = weight.sum(dim=1)
        form = []
        for layer in NATURAL_LAYERS:
            mean = (states[layer] * weight).sum(dim=1) / count
            spread = (((states[layer] - mean[:, None]) ** 2 * weight).sum(dim=1) / count).sqrt()
            form += [mean, spread, states[layer].masked_fill(weight == 0, -1e4).amax(dim=1)]
        return Reading(torch.cat(form, dim=1), F.normalize((states[-1] * weight).sum(dim=1), dim=-1))

    def well_formed(self, form: torch.Tensor) -> torch.Tensor:
        """Log-odds that texts are as somebody wrote them, shape `(n,)`."""
        return self.natural_head((form - self.form_mean) / self.form_scale).squeeze(-1)

    def match(self, prompt: torch.Tensor, reply: torch.Tensor) -> torch.Tensor:
        """Log-odds that replies answer prompts, from their meanings; leading dimensions broadcast."""
        alike = (prompt * reply).sum(dim=-1)
        asked, said = torch.broadcast_tensors(self.of_prompt(prompt), self.of_reply(reply))
        return self.slope * alike + self.match_head(torch.cat([asked, said, asked * said], dim=-1)).squeeze(-1)

    @torch.inference_mode()
    def natural(self, texts: Sequence[str]) -> np.ndarray:
        """Log-odds that each text is as somebody wrote it, shape `(n,)`."""
        return self.well_formed(self.read(texts).form).numpy() if len(texts) else np.zeros(0, dtype=np.float32)

    @torch.inference_mode()
    def answers(self, prompts: Sequence[str], replies: Sequence[str]) -> np.ndarray:
        """How much better each reply answers its prompt than other prompts, in nats, shape `(n,)`.

        `log_odds - log mean exp(log_odds for the prompts of others)`: pointwise mutual information.
        """
        if not len(prompts):
            return np.zeros(0, dtype=np.float32)
        said = self.read(replies).meaning  # first: another guard has just read them
        usual = self.match(self.others[:, None], said[None]).logsumexp(dim=0) - math.log(N_OTHERS)
        return (self.match(self.read(prompts).meaning, said) - usual).numpy()

    def __reduce__(self):
        # By content: an encoder that was used once carries hooks that do not pickle, and trainers pickle rewards.
        return _rebuilt, (self.encoder.config.to_dict(), self.vocabulary, self.state_dict(), self.people)

    def save(self, folder: str | Path) -> None:
        """Write `encoder.safetensors` (few bits), `heads.safetensors` and `config.json`."""
        from safetensors.torch import save_file

        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        state = self.state_dict()
        save_packed({k: v for k, v in state.items() if k.startswith("encoder.")}, folder / "encoder.safetensors")
        heads = {name: tensor.contiguous() for name, tensor in state.items() if not name.startswith("encoder.")}
        save_file(heads, str(folder / "heads.safetensors"))
        settings = self.encoder.config.to_dict()
        content = {
            "encoder": {name: settings[name] for name in _SIZES},
            "people": {name: quantiles._asdict() for name, quantiles in self.people.items()},
            "vocabulary": self.vocabulary,
        }
        (folder / "config.json").write_text(json.dumps(content, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, folder: str | Path) -> SenseModel:
        """Read what `save` wrote."""
        from safetensors.torch import load_file
        from transformers.initialization import no_init_weights

        folder = Path(folder)
        content = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        with no_init_weights():  # drawing weights that are then replaced takes longer than reading them
            model = cls(BertConfig(**content["encoder"]), content["vocabulary"])
        heads = load_file(str(folder / "heads.safetensors"))
        model.load_state_dict({**load_packed(folder / "encoder.safetensors"), **heads}, assign=True)
        model.people = {name: Quantiles(**quantiles) for name, quantiles in content["people"].items()}
        return model.requires_grad_(False)


@cache
def bundled_sense() -> SenseModel:
    """The model in the wheel, `hal-sense`."""
    return SenseModel.load(SENSE_FOLDER)


def _rebuilt(config: dict, vocabulary: tuple[str, ...], state: dict, people: dict[str, Quantiles]) -> SenseModel:
    model = SenseModel(BertConfig(**{name: config[name] for name in _SIZES}), vocabulary)
    model.load_state_dict(state)
    model.people = people
    return model.requires_grad_(False)


_LATIN = re.compile(r"[\u0000-\u024f\u2019]+")
_SIZES = (
    *("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "hidden_act"),
    *("max_position_embeddings", "type_vocab_size", "layer_norm_eps", "pad_token_id"),
)


def _tokenizer(vocabulary: tuple[str, ...]):
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

    ids = {token: i for i, token in enumerate(vocabulary)}
    tokenizer = Tokenizer(models.WordPiece(ids, unk_token=UNKNOWN, max_input_chars_per_word=32))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer
