"""Writers: samples in the formats that other tools read.

A writer is a function `(samples, sink) -> None`. It takes the samples one at a time, wherever they come from, puts its
files through the sink and gives the same bytes for the same samples. A new format is one file and one line in WRITERS.
What is heavy loads on first use, so that the command line can name the formats at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from synth.errors import SourceError, WriterError
from synth.io.names import as_path, check_names
from synth.printable import shown
from synth.suggest import did_you_mean

if TYPE_CHECKING:
    from synth.sample import Sample
    from synth.writers.sink import FolderSink


@dataclass(frozen=True, slots=True)
class Format:
    """A writer as "module:function", imported on first use, and what the format is in a few words. `splits`: it keeps
    training and test samples apart; the trees that detectors read know test/ as the only place of defects. `apart`:
    where a run writes several formats, it gets a folder of its own name, since others have files of the same names."""

    writer: str
    summary: str
    splits: bool = False
    apart: bool = False

    def write(self, samples: Iterable[Sample], sink: FolderSink) -> None:
        """Write the samples. WriterError where there are none, for one with neither an image nor a cloud, for a
        defective one without a mask, and for what the format cannot hold."""
        module, _, name = self.writer.partition(":")
        function: Callable[[Iterable[Sample], FolderSink], None] = getattr(import_module(module), name)
        function(_whole(samples), sink)


WRITERS: dict[str, Format] = {
    "mvtec": Format("synth.writers.mvtec:write", "the MVTec AD tree"),
    "mvtec_3d": Format("synth.writers.mvtec_3d:write", "MVTec 3D-AD: with depth"),
    "mvtec_ad_2": Format("synth.writers.mvtec_ad_2:write", "the MVTec AD 2 tree", apart=True),
    "visa": Format("synth.writers.visa:write", "the VisA layout", apart=True),
    "parquet": Format("synth.writers.parquet:write", "Hugging Face datasets", splits=True),
    "webdataset": Format("synth.writers.webdataset:write", "tars to stream", splits=True, apart=True),
    "coco": Format("synth.writers.coco:write", "instances as run lengths", splits=True, apart=True),
    "coco_polygon": Format("synth.writers.coco:write_polygon", "instances as polygons", splits=True, apart=True),
    "yolo_seg": Format("synth.writers.yolo:write_segments", "Ultralytics polygons", splits=True, apart=True),
    "yolo_detect": Format("synth.writers.yolo:write_boxes", "Ultralytics boxes", splits=True, apart=True),
    "voc": Format("synth.writers.voc:write", "Pascal VOC", splits=True, apart=True),
    "mmseg": Format("synth.writers.mmseg:write", "mmsegmentation", splits=True, apart=True),
    "fiftyone": Format("synth.writers.fiftyone:write", "to import into FiftyOne", splits=True, apart=True),
    "cvat": Format("synth.writers.cvat:write", "to import into CVAT", splits=True, apart=True),
    "label_studio": Format("synth.writers.label_studio:write", "to import into Label Studio", splits=True, apart=True),
    "labelme": Format("synth.writers.labelme:write", "to open with labelme", splits=True, apart=True),
    "anomaly_shapenet": Format("synth.writers.clouds:write_anomaly_shapenet", "point clouds"),
    "real3d_ad": Format("synth.writers.clouds:write_real3d_ad", "point clouds, in millimetres"),
    "ply": Format("synth.writers.clouds:write_ply", "point clouds"),
}


def check_request(name: str, out: str | Path) -> None:
    """WriterError for a format that WRITERS does not have, and for a folder that holds something."""
    from synth.io.own import check_free

    if name not in [*WRITERS]:
        raise WriterError(f"format {shown(name)} is unknown; {did_you_mean(str(name), WRITERS)}")
    check_free(as_path(out, "the new folder", WriterError), "an export's")


def write(samples: Sample | Iterable[Sample], out: str | Path, format: str = "mvtec") -> None:
    """Write any samples, good and defective ones, real or generated, in a format of WRITERS into the new folder `out`,
    which stays empty where that fails. WriterError as in `check_request`, for samples that the format cannot hold, for
    none at all, and for products or types whose names would share a folder."""
    from synth.sample import Sample
    from synth.writers.sink import FolderSink, whole_folder

    check_request(format, out)
    given = [samples] if isinstance(samples, Sample) else samples
    if not isinstance(given, Iterable):
        raise WriterError(f"samples is {shown(samples)}, wanted a Sample or several")
    with whole_folder(Path(out)) as folder:
        WRITERS[format].write(_checked(given), FolderSink(folder))


def _checked(samples: Iterable[Sample]) -> Iterator[Sample]:
    from synth.sample import Sample

    kinds: set[tuple[str, str | None]] = set()
    for sample in samples:
        if not isinstance(sample, Sample):
            raise WriterError(f"a sample is {shown(sample)}, wanted a Sample, as flawsmith.read gives them")
        kind = (str(sample.product), sample.defect)
        if kind not in kinds:
            kinds.add(kind)
            _check_names(kinds)
        yield sample


def _check_names(kinds: Iterable[tuple[str, str | None]]) -> None:
    try:
        check_names(kinds)
    except SourceError as problem:
        raise WriterError(str(problem)) from problem


def _whole(samples: Iterable[Sample]) -> Iterator[Sample]:
    none = True
    for sample in samples:
        none = False
        if sample.image is None and sample.cloud is None:
            raise WriterError(f"{sample.id} has neither an image nor a cloud; leave it out")
        marked = sample.mask is not None or (sample.cloud is not None and sample.cloud.labels is not None)
        if sample.defect is not None and not marked:
            raise WriterError(f"{sample.id} is a {sample.defect} without a mask; give it one or leave it out")
        yield sample
    if none:
        raise WriterError("there is no sample to write; give good or defective ones")
