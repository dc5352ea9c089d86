"""Training a few rows of a token table while the others stay as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel


class TrainedRows(nn.Module):
    """An embedding whose rows from `first` on are a parameter; earlier rows are only read.

    Old rows are no parameter at all, so that neither gradient, weight decay nor optimiser state ever touches them."""

    def __init__(self, table: Tensor, first: int) -> None:
        super().__init__()
        self.first = first
        self.register_buffer("table", table.detach(), persistent=False)
        self.rows = nn.Parameter(table[first:].detach().clone())

    def forward(self, ids: Tensor) -> Tensor:
        """Rows of the ids; ids (...) int64, returns (..., dim)."""
        new = functional.embedding((ids - self.first).clamp(min=0), self.rows)
        return torch.where((ids >= self.first)[..., None], new, functional.embedding(ids, self.table))


@contextmanager
def trained_rows(text_encoder: CLIPTextModel, first: int) -> Iterator[TrainedRows]:
    """Make rows `first`.. of the encoder's table trainable; on leaving, they are written into its stock embedding."""
    stock = text_encoder.get_input_embeddings()
    inner = TrainedRows(stock.weight, first)
    text_encoder.set_input_embeddings(inner)
    try:
        yield inner
    finally:
        with torch.no_grad():
            stock.weight[first:] = inner.rows.to(stock.weight)
        text_encoder.set_input_embeddings(stock)
