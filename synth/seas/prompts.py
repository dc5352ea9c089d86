"""Unbalanced abnormal prompts: one new token for the product, four for each of its defect types (SeaS, section 3).

    good:      a <ob1>
    defective: a <ob1> with <df2-1> <df2-2> <df2-3> <df2-4>

Unlike the published code, which names its tokens sks1, sks2, ... in the order of a folder listing, names end in `>`
so that none is the beginning of another, and the table from defect type to names is stored with the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import AddedToken, CLIPTextModel, CLIPTokenizer

from synth.errors import GeneratorError
from synth.io.names import same_name
from synth.seas.base_configs import BaseConfigs
from synth.seas.words import words_of

LEADING = 2  # BOS and `a` stand before the product's tokens


@dataclass(frozen=True)
class UnbalancedPrompts:
    """The names of one product's tokens and the prompts that are made of them.

    product_tokens (P,) names; defect_tokens: defect type -> (D,) names, D the same for every type."""

    product: str
    product_tokens: tuple[str, ...]
    defect_tokens: Mapping[str, tuple[str, ...]]

    @classmethod
    def plan(cls, product: str, defects: Sequence[str], product_tokens: int, defect_tokens: int) -> UnbalancedPrompts:
        """Names for a product and its defect types, in sorted order of the types."""
        return cls(
            product,
            tuple(f"<ob{i + 1}>" for i in range(product_tokens)),
            {
                defect: tuple(f"<df{k + 1}-{i + 1}>" for i in range(defect_tokens))
                for k, defect in enumerate(sorted(set(defects)))
            },
        )

    @classmethod
    def from_json(cls, table: Mapping[str, Any]) -> UnbalancedPrompts:
        """Inverse of `to_json`."""
        defects = {defect: tuple(names) for defect, names in table["defect_tokens"].items()}
        return cls(table["product"], tuple(table["product_tokens"]), defects)

    def to_json(self) -> dict[str, Any]:
        """A table of plain lists and strings."""
        defects = {defect: list(names) for defect, names in self.defect_tokens.items()}
        return {"product": self.product, "product_tokens": list(self.product_tokens), "defect_tokens": defects}

    @property
    def defects(self) -> tuple[str, ...]:
        """Defect types in the order of their tokens."""
        return tuple(self.defect_tokens)

    @property
    def names(self) -> tuple[str, ...]:
        """Every new token, in the order of its row in the table."""
        return (*self.product_tokens, *(name for names in self.defect_tokens.values() for name in names))

    @property
    def good(self) -> str:
        """The prompt of a good part."""
        return " ".join(("a", *self.product_tokens))

    def defective(self, defect: str) -> str:
        """The prompt of a part with this defect. GeneratorError where the model never learnt it."""
        if defect not in self.defect_tokens:
            known = ", ".join(self.defects)
            raise GeneratorError(f"{self.product} has no defect type {defect!r}; the model knows {known}")
        return " ".join((self.good, "with", *self.defect_tokens[defect]))

    @property
    def product_columns(self) -> list[int]:
        """Positions of the product's tokens in either prompt."""
        return list(range(LEADING, LEADING + len(self.product_tokens)))

    @property
    def defect_columns(self) -> list[int]:
        """Positions of the defect's tokens in a defective prompt; `with` stands before them."""
        start = LEADING + len(self.product_tokens) + 1
        return list(range(start, start + len(next(iter(self.defect_tokens.values())))))


def add_tokens(
    tokenizer: CLIPTokenizer,
    text_encoder: CLIPTextModel,
    prompts: UnbalancedPrompts,
    words: Mapping[str, str],
    from_names: bool,
) -> int:
    """Give tokenizer and text encoder the new tokens, started from words; returns the id of the first.

    words: product or defect type -> words to start from. Others start from their own name if `from_names` and the
    tokenizer knows every word of it, else from `object` and `defect`. GeneratorError where the tokens do not fit."""
    first = len(tokenizer)
    named = {**dict.fromkeys(prompts.product_tokens, (prompts.product, "object"))}
    for defect, names in prompts.defect_tokens.items():
        named |= dict.fromkeys(names, (defect, "defect"))
    starts = {}
    for name, (label, plain) in named.items():
        known = label if from_names and _knows(tokenizer, label) else plain
        given = next((text for key, text in words.items() if same_name(key, label)), known)
        starts[name] = _mean_row(tokenizer, text_encoder, given)
    added = tokenizer.add_tokens([AddedToken(name, single_word=True, normalized=False) for name in prompts.names])
    if added != len(prompts.names):
        raise GeneratorError("the base was already fine-tuned for a product: name the base it was made from instead")
    text_encoder.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    with torch.no_grad():
        table = text_encoder.get_input_embeddings().weight
        for name, row in starts.items():
            table[tokenizer.convert_tokens_to_ids(name)] = row
    verify(tokenizer, prompts)
    return first


def check_length(tokens: int, base: BaseConfigs) -> None:
    """GeneratorError where a prompt with this many new tokens is longer than the base's text encoder reads."""
    longest = int(base.text_encoder["max_position_embeddings"])
    if LEADING + tokens + 2 > longest:  # `with` and EOS
        raise GeneratorError(
            f"generator.product_tokens and defect_tokens make prompts of {LEADING + tokens + 2} tokens, the base reads "
            f"{longest}; ask for fewer"
        )


def token_ids(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> torch.Tensor:
    """Ids of each prompt, padded to the encoder's length; (n, L) int64."""
    encoded = tokenizer(
        list(texts), padding="max_length", max_length=tokenizer.model_max_length, truncation=True, return_tensors="pt"
    )
    return encoded["input_ids"]


def verify(tokenizer: CLIPTokenizer, prompts: UnbalancedPrompts) -> None:
    """Check that each prompt becomes BOS, a, product, with, defect tokens, EOS; GeneratorError names the one that does
    not (a tokenizer that splits or merges the new tokens, or a prompt longer than the encoder reads)."""
    ids = tokenizer.convert_tokens_to_ids
    a, joint = _piece(tokenizer, "a"), _piece(tokenizer, "with")
    product = [*a, *(ids(name) for name in prompts.product_tokens)]
    wanted = {prompts.good: product}
    for defect, names in prompts.defect_tokens.items():
        wanted[prompts.defective(defect)] = [*product, *joint, *(ids(name) for name in names)]
    if len(a) != 1 or len(joint) != 1:
        raise GeneratorError("the base's tokenizer splits `a` or `with`, so the prompt's positions are unknown")
    for text, inner in wanted.items():
        line = [tokenizer.bos_token_id, *inner, tokenizer.eos_token_id]
        got = token_ids(tokenizer, [text])[0].tolist()[: len(line)]
        if got != line:
            limit = tokenizer.model_max_length
            raise GeneratorError(f"prompt {text!r} reads as ids {got}, wanted {line}; the encoder holds {limit} tokens")


def _knows(tokenizer: CLIPTokenizer, label: str) -> bool:
    words = words_of(label)
    return bool(words) and all(len(_piece(tokenizer, word)) == 1 for word in words)


def _piece(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False)["input_ids"]


def _mean_row(tokenizer: CLIPTokenizer, text_encoder: CLIPTextModel, text: str) -> torch.Tensor:
    """Mean embedding of the words' pieces, (dim,)."""
    ids = _piece(tokenizer, " ".join(words_of(text)))
    if not ids:
        raise GeneratorError(f"cannot start a token from {text!r}: give words of letters")
    return text_encoder.get_input_embeddings().weight[ids].detach().mean(0)
