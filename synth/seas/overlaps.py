"""Windows of one defect that overlap are drawn as one: with one noise, and with one prediction where they overlap.

In each step the predictions of windows that share a latent cell are averaged there, with weights that fall towards a
window's border (MultiDiffusion, Bar-Tal et al. 2023). As they start alike, their latents stay alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from synth.seas.plan import Start
from synth.seas.sampler import sample_noise
from synth.seas.strips import Field, Patch


@dataclass(frozen=True)
class Overlaps:
    """The windows of each field by their rows in a batch, and how many px of a window are one latent cell."""

    fields: Mapping[Field, Sequence[tuple[int, Patch]]]
    scale: int

    @classmethod
    def of(cls, starts: Sequence[Start], cells: int) -> Overlaps | None:
        """Of windows that have `cells` latent cells a side; None where none overlap."""
        fields: dict[Field, list[tuple[int, Patch]]] = {}
        for row, start in enumerate(starts):
            if start.patch is not None:
                fields.setdefault(start.patch.field, []).append((row, start.patch))
        return cls(fields, len(starts[0].begin) // cells) if fields else None

    def agreed(self, values: Tensor) -> Tensor:
        """Latents (b, C, h, w), the same wherever windows of one field overlap."""
        weight = _weight(values.shape[-1]).to(values)
        result = values.clone()
        for field, members in self.fields.items():
            shape = (field.rows // self.scale, field.columns // self.scale)
            total, share = values.new_zeros(values.shape[1], *shape), values.new_zeros(shape)
            for row, patch in members:
                area = _area(patch, self.scale, values.shape[-1])
                total[:, area[0], area[1]] += weight * values[row]
                share[area] += weight
            for row, patch in members:
                area = _area(patch, self.scale, values.shape[-1])
                result[row] = total[:, area[0], area[1]] / share[area]
        return result


def noise_of(starts: Sequence[Start], shape: tuple[int, ...]) -> Tensor:
    """Standard normal (b, *shape), each window's from its own seed; those of one field are cut out of one noise."""
    fields: dict[Field, Tensor] = {}
    noise = []
    for start in starts:
        place, scale = start.patch, len(start.begin) // shape[-1]
        if place is None:
            noise.append(sample_noise([start.seed], shape)[0])
            continue
        if place.field not in fields:
            size = (shape[0], place.field.rows // scale, place.field.columns // scale)
            fields[place.field] = sample_noise([start.seed], size)[0]
        rows, columns = _area(place, scale, shape[-1])
        noise.append(fields[place.field][:, rows, columns])
    return torch.stack(noise)


def _area(patch: Patch, scale: int, cells: int) -> tuple[slice, slice]:
    row, column = patch.row // scale, patch.column // scale
    return slice(row, row + cells), slice(column, column + cells)


def _weight(cells: int) -> Tensor:
    """Largest in the middle of a window, (cells, cells)."""
    reach = torch.minimum(torch.arange(cells) + 0.5, cells - torch.arange(cells) - 0.5)
    return torch.outer(reach, reach)
