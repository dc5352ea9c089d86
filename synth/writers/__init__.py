"""Writers: samples in the formats that other tools read.

A writer is a function `(samples, sink) -> None`. It takes the samples one at a time, wherever they come from, puts its
files through the sink and gives the same bytes for the same samples. A new format is one file and one line in WRITERS.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from synth.errors import WriterError
from synth.io.names import as_path
from synth.io.own import check_free
from synth.printable import shown
from synth.sample import Sample
from synth.suggest import did_you_mean
from synth.writers.sink import FolderSink


@dataclass(frozen=True, slots=True)
class Format:
    """A writer as "module:function", imported on first use, and what the format is in a few words. `splits`: it keeps
    training and test samples apart; the trees that detectors read know test/ as the only place of defects."""

    writer: str
    summary: str
    splits: bool = False

    def write(self, samples: Iterable[Sample], sink: FolderSink) -> None:
        """Write the samples."""
        module, _, name = self.writer.partition(":")
        function: Callable[[Iterable[Sample], FolderSink], None] = getattr(import_module(module), name)
        function(samples, sink)


WRITERS: dict[str, Format] = {
    "mvtec": Format("synth.writers.mvtec:write", "the MVTec AD tree"),
    "mvtec_3d": Format("synth.writers.mvtec_3d:write", "MVTec 3D-AD: with depth"),
    "parquet": Format("synth.writers.parquet:write", "Hugging Face datasets", splits=True),
    "anomaly_shapenet": Format("synth.writers.clouds:write_anomaly_shapenet", "point clouds"),
    "real3d_ad": Format("synth.writers.clouds:write_real3d_ad", "point clouds, in millimetres"),
    "ply": Format("synth.writers.clouds:write_ply", "point clouds"),
}


def check_request(name: str, out: str | Path) -> None:
    """WriterError for a format that WRITERS does not have, and for a folder that holds something."""
    if name not in [*WRITERS]:
        raise WriterError(f"format {shown(name)} is unknown; {did_you_mean(str(name), WRITERS)}")
    check_free(as_path(out, "the new folder", WriterError), "an export's")


def write(samples: Sample | Iterable[Sample], out: str | Path, format: str = "mvtec") -> None:
    """Write any samples, good and defective ones, real or generated, in a format of WRITERS into the new folder `out`.
    WriterError as in `check_request`, and for samples that the format cannot hold."""
    check_request(format, out)
    given = [samples] if isinstance(samples, Sample) else samples
    if not isinstance(given, Iterable):
        raise WriterError(f"samples is {shown(samples)}, wanted a Sample or several")
    WRITERS[format].write(_checked(given), FolderSink(Path(out)))


def _checked(samples: Iterable[Sample]) -> Iterator[Sample]:
    for sample in samples:
        if not isinstance(sample, Sample):
            raise WriterError(f"a sample is {shown(sample)}, wanted a Sample, as flawsmith.read gives them")
        yield sample
