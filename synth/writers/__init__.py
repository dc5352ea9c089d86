"""Writers: the samples of a run in the formats that other tools read.

A writer is a function `(dataset, folder) -> None`. It reads the run's own files, writes each of its files whole or not
at all, may be called again after an interruption, and gives the same bytes each time.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from synth.pipeline.journal import Record
from synth.pipeline.real import RealImage


@dataclass(frozen=True, slots=True)
class Dataset:
    """What a writer writes: accepted samples and the good images of the same products; paths are relative to root."""

    root: Path
    records: Sequence[Record]
    good_images: Sequence[RealImage]


def _mvtec(dataset: Dataset, folder: Path) -> None:
    from synth.writers.mvtec import write

    write(dataset, folder)


def _parquet(dataset: Dataset, folder: Path) -> None:
    from synth.writers.parquet import write

    write(dataset, folder)


def _mvtec_3d(dataset: Dataset, folder: Path) -> None:
    from synth.writers.mvtec_3d import write

    write(dataset, folder)


def _ply(dataset: Dataset, folder: Path) -> None:
    from synth.writers.clouds import write_ply

    write_ply(dataset, folder)


def _anomaly_shapenet(dataset: Dataset, folder: Path) -> None:
    from synth.writers.clouds import write_anomaly_shapenet

    write_anomaly_shapenet(dataset, folder)


def _real3d_ad(dataset: Dataset, folder: Path) -> None:
    from synth.writers.clouds import write_real3d_ad

    write_real3d_ad(dataset, folder)


WRITERS: dict[str, Callable[[Dataset, Path], None]] = {
    "mvtec": _mvtec,
    "parquet": _parquet,
    "mvtec_3d": _mvtec_3d,
    "anomaly_shapenet": _anomaly_shapenet,
    "real3d_ad": _real3d_ad,
    "ply": _ply,
}
