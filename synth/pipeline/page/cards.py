"""The cards of the gallery: candidates and shots, as small images, outlines and clouds within the page."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from synth.io.geometry import read_extras
from synth.io.png import read_png
from synth.io.thumbnails import Box, close_up, cut_out, data_uri, outline
from synth.pipeline.decisions import Decisions
from synth.pipeline.page.cloud_view import normal_map, of_cloud, of_pixels
from synth.pipeline.stored import StoredSample


@dataclass(frozen=True, slots=True)
class Card:
    """A candidate or a shot as the page shows it; `kind`: "accepted", "rejected" by the checks, or "shot"; `mark`: what
    a person decided of it. `path` outlines its mask, `drawn` the mask before a person edited it; `files` are paths from
    the page to the full-size files. `normals` shows the close-up's surface, `cloud` is a cloud to turn (see
    `synth.pipeline.page.cloud_view`)."""

    id: str
    kind: str
    width: int
    height: int
    box: Box
    whole: str
    before: str | None
    after: str
    path: str
    files: dict[str, str]
    label: str
    detail: dict[str, Any]
    scores: dict[str, float] = field(default_factory=dict)
    mark: str = ""
    drawn: str | None = None
    normals: str | None = None
    cloud: str | None = None

    @property
    def data(self) -> dict[str, Any]:
        """What the page's script needs of it. A mask may be corrected where it is the label: not of a cloud, whose
        labels are its points'."""
        box = [self.box.left, self.box.top, self.box.width, self.box.height]
        return {
            "id": self.id,
            "kind": self.kind,
            "mark": self.mark,
            "size": [self.width, self.height],
            "box": box,
            "files": self.files,
            "label": self.label,
            "cloud": self.cloud,
            "outline": self.path,
            "drawn": self.drawn,
            "paintable": self.kind == "accepted" and "cloud" not in self.files,
            "scores": self.scores,
            "detail": self.detail,
        }


def candidate_card(
    root: Path, candidate: StoredSample, start: StoredSample | None, side: int, decisions: Decisions
) -> Card:
    """A candidate whose files were kept, beside the good sample it started from; `side` px of its thumbnails."""
    sample = decisions.edited(candidate)
    image, mask = _pixels(sample.verified(root, "image")), read_png(sample.verified(root, "mask"))
    edited = sample is not candidate
    box = close_up(mask)
    files = {{"image": "after"}.get(kind, kind): f"../{file.path}" for kind, file in sample.files.items()}
    before = None
    if start is not None and "cloud" not in sample.files:  # a cloud is shown from where its defect is seen best
        files["before"] = f"../{start.files['image'].path}"
        before = data_uri(cut_out(_fitted(_pixels(start.verified(root, "image")), image), box), side)
    normals, cloud = _geometry(root, sample, image, mask, box, side)
    return Card(
        normals=normals,
        cloud=cloud,
        id=sample.id,
        kind=sample.role,
        mark=decisions.marks.get(sample.id, ""),
        width=image.shape[1],
        height=image.shape[0],
        box=box,
        whole=data_uri(image, side),
        before=before,
        after=data_uri(cut_out(image, box), side),
        path=outline(mask),
        files=files,
        label=sample.reason or "",
        detail=_detail(sample),
        scores={name: value for name, value in sample.scores.items() if math.isfinite(value)},
        drawn=outline(read_png(candidate.verified(root, "mask"))) if edited else None,
    )


def shot_card(root: Path, shot: StoredSample, side: int) -> Card:
    """A real defect that the run learnt from."""
    pixels, mask = _pixels(shot.verified(root, "image")), read_png(shot.verified(root, "mask"))
    box = close_up(mask)
    return Card(
        id=f"shot/{shot.product}/{shot.defect}/{shot.id}",
        kind="shot",
        width=pixels.shape[1],
        height=pixels.shape[0],
        box=box,
        whole=data_uri(pixels, side),
        before=None,
        after=data_uri(cut_out(pixels, box), side),
        path=outline(mask),
        files={"after": f"../{shot.files['image'].path}"},
        label="",
        detail={"file": shot.source, "area": f"{mask.mean():.2%}"},
    )


def _detail(sample: StoredSample) -> dict[str, Any]:
    made = sample.generated
    scores = {name: f"{value:.1f}" if name == "contrast" else f"{value:.2f}" for name, value in sample.scores.items()}
    # `area` is a share far below 1 for most defects.
    if "area" in sample.scores:
        scores["area"] = f"{sample.scores['area']:.2%}"
    return {
        "why": sample.detail,
        "mask": "edited by a person" if "mask" in made.edited else None,
        "seed": str(made.seed),
        "started from": None if made.start is None else made.start.file,
        "window": None if made.window is None else "{2} px at row {0}, column {1}".format(*made.window),
        **_instances(sample),
        **scores,
        "not measured": ", ".join(sample.unmeasured) if sample.role == "accepted" else None,
    }


def _instances(sample: StoredSample) -> dict[str, str]:
    """What is known of the defects of a synthesized sample, as text."""
    names = ("amplitude_mm", "reach_mm", "snr", "visible_in", "volume_mm3", "points")
    known = [one.parameters for one in sample.generated.instances]
    lists = {name: [str(one[name]) for one in known if one.get(name) is not None] for name in names}
    return {name: ", ".join(values) for name, values in lists.items() if values}


def _geometry(
    root: Path, sample: StoredSample, image: np.ndarray, mask: np.ndarray, box: Box, side: int
) -> tuple[str | None, str | None]:
    """The close-up's normal map and the cloud to turn, None for a sample without geometry."""
    xyz, cloud = read_extras({kind: sample.verified(root, kind) for kind in sample.files})
    if cloud is not None:
        return None, of_cloud(cloud)
    if xyz is None:
        return None, None
    return data_uri(cut_out(normal_map(xyz), box), side), of_pixels(xyz, image, mask, box)


def _pixels(path: Path) -> np.ndarray:
    with Image.open(path, formats=("PNG", "WEBP")) as opened:
        return np.asarray(opened.convert("RGB"))


def _fitted(start: np.ndarray, image: np.ndarray) -> np.ndarray:
    """The start at the size of the image shown: a rejected candidate is kept small."""
    if start.shape == image.shape:
        return start
    return np.asarray(Image.fromarray(start).resize(image.shape[1::-1], Image.Resampling.BOX))
