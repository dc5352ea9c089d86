"""What the U-Net reads of prompts whose tokens lie between those of several defect types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from synth.seas.finetune import Finetuned
from synth.seas.prompts import token_ids


def text_of(model: Finetuned, mixtures: Sequence[Mapping[str, float]]) -> Tensor:
    """Embeddings of the empty prompt and of each prompt, (1 + B, L, D). mixtures: of each prompt the weights of its
    defect types, by which their rows of the token table are averaged before the text encoder."""
    encoder, tokenizer = model.pipeline.text_encoder, model.pipeline.tokenizer
    alternatives = [[token_ids(tokenizer, [model.tokens.defective(part)]) for part in parts] for parts in mixtures]
    ids = torch.cat([token_ids(tokenizer, [""]), *(first for first, *_ in alternatives)]).to(encoder.device)

    def average(table: nn.Embedding, _ids: tuple[Tensor], rows: Tensor) -> Tensor:
        rows = rows.clone()
        for row, (parts, own) in enumerate(zip(mixtures, alternatives, strict=True), start=1):
            if len(parts) > 1:
                weights = torch.tensor(list(parts.values())).to(rows)
                every = nn.functional.embedding(torch.cat(own).to(rows.device), table.weight)
                rows[row] = torch.einsum("k,kld->ld", weights, every)
        return rows

    hook = encoder.get_input_embeddings().register_forward_hook(average)
    try:
        text: Tensor = encoder(ids)[0]
        return text
    finally:
        hook.remove()
