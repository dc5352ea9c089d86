"""Part = where the product is in an image: estimated or given for each product, and reported before it is used.

`settle_parts` decides once for each product and leaves the decision in `sample.meta["part"]`; `part_of` reads it. An
estimate is a help and no judge: it is dropped, and the finding says so, where it does not fit the real defects.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from synth.cache import Cache
from synth.errors import SourceError
from synth.foreground import Learnt, Look, learn
from synth.io.atomic import write_whole
from synth.io.images import content_hash, read_mask
from synth.io.json_text import JsonTextError, json_text, load_json
from synth.io.regular import read_text, reason
from synth.io.thumbnails import data_uri, outline
from synth.io.user_masks import stretch
from synth.sample import Sample
from synth.sources.config import SourceConfig
from synth.sources.listing import files_below, has_cloud, is_image, reopen
from synth.split import Split

MOST_LOOKED_AT = 24
"""Good images of a product that are looked at, evenly taken."""
LEAST_FOUND, FEW_FOUND = 0.8, 0.2
"""Share of the good images with a find from which an estimate is used, and below which the product fills the image."""
MOST_SPREAD = 2.0
"""Ratio of the areas found, 90th to 10th percentile, up to which they are of one product."""
LEAST_COVERED = 0.95
"""Share of the shots' mask pixels that a region has to cover."""
MARGIN = 0.02
"""Share of the image's longer side by which a defect may stand off from the product, as a burr does."""
ESTIMATES = 512
"""Estimated regions that are remembered, a bit a pixel."""
_ESTIMATES = Cache(ESTIMATES)
SHOWN = {"good": 8, "shot": 8, "page": 4}
"""Images of a product on the contact sheet and on the gallery page."""
THUMBNAIL, TALLEST_LINE, GAP = 280, 22, 8
OUTLINE, DEFECT, PAPER, INK = (0, 210, 90), (255, 42, 112), (244, 245, 246), (21, 24, 28)
"""Colours of the contact sheet: the product's outline, the shots' masks, ground and text."""


@dataclass(frozen=True, slots=True)
class PartFinding:
    """What is known of where one product is. `share`: of the image, median over the good images; `covered`: of the
    shots' mask pixels, None without shots; `text`: one sentence for people.

    how: "given" with the images or by the user, "estimated", "whole" (fills the image), or "not trusted" (an estimate
    that does not fit, so that the whole image is taken). `doubtful`: ids of the good images whose estimate differs from
    that of most others."""

    product: str
    how: Literal["given", "estimated", "whole", "not trusted"]
    share: float
    covered: float | None
    text: str
    doubtful: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class ShownPart:
    """A good image on the gallery page: its size in px, a thumbnail as data URI and its part's outline as SVG path."""

    product: str
    id: str
    width: int
    height: int
    image: str
    path: str


@dataclass(frozen=True, slots=True)
class KeptParts:
    """What `write_parts` kept in a run; notes are further sentences on how defects are placed."""

    findings: tuple[PartFinding, ...]
    shown: tuple[ShownPart, ...]
    notes: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """Everything that was inferred, as sentences for people."""
        return [*(finding.text for finding in self.findings), *self.notes]


def part_of(sample: Sample) -> np.ndarray | None:
    """Where the product is in the image: bool (H, W), or None where that is not known or the product fills the image.

    Reads `sample.meta["part"]`, which `settle_parts` sets: None, a Look that finds it (the last ESTIMATES finds are
    remembered), a bool array, or the Path of a mask, stretched to the image. Raises SourceError where that mask
    cannot be read or is black everywhere."""
    known = sample.meta.get("part")
    if known is None:
        return None
    image = reopen(sample).image
    assert image is not None
    if isinstance(known, Path):
        part = _read_part(known, image.shape[:2])
    elif isinstance(known, Look):
        part = _estimate(known, image)
    else:
        part = stretch(known, image.shape[:2])
    return None if part.all() else part


def _estimate(look: Look, image: np.ndarray) -> np.ndarray:
    """The product in an image (H, W, 3); finding it takes longer than placing a defect on it."""
    packed = _ESTIMATES.get((look, content_hash(image)), lambda: np.packbits(look.foreground(image)))
    height, width = image.shape[:2]
    return np.unpackbits(packed, count=height * width).reshape(height, width).astype(bool)


def settle_parts(split: Split, source: SourceConfig) -> tuple[Split, tuple[PartFinding, ...]]:
    """Decide for each product where it is; returns the split with `meta["part"]` set in shots and good images, and one
    finding for each product with good images, by name. Clouds have no image and get none.

    Looks at all shots and at most MOST_LOOKED_AT good images of a product. A region that came with a sample is kept.
    Otherwise `source.foreground` decides; with "auto", what is learnt from the good images is used when LEAST_FOUND of
    them show the product, the areas agree within MOST_SPREAD and LEAST_COVERED of the shots' mask pixels lie in it or
    within MARGIN of it. Good images that differ from most are told in the finding.
    Raises SourceError where a mask that the user gave is missing, black, or does not cover the shots' masks so."""
    settled: dict[str, Any] = {}
    findings = []
    for product in sorted({str(s.product) for s in split.good_images if not has_cloud(s)}):
        shots = [s for s in split.shots if s.product == product]
        good_images = [s for s in split.good_images if s.product == product]
        wanted, finding = _settle(product, shots, good_images, source)
        settled.update(wanted)
        findings.append(finding)

    def known(sample: Sample) -> Sample:
        return replace(sample, meta={**sample.meta, "part": settled.get(sample.id)})

    changed = replace(split, shots=[known(s) for s in split.shots], good_images=[known(s) for s in split.good_images])
    return changed, tuple(findings)


def evenly(samples: Sequence[Sample], most: int) -> list[Sample]:
    """At most this many of the samples, evenly taken."""
    chosen = np.unique(np.linspace(0, len(samples) - 1, min(most, len(samples))).round().astype(int))
    return [samples[index] for index in chosen.tolist()]


def write_parts(
    findings: Sequence[PartFinding], good_images: Sequence[Sample], path: Path, notes: Sequence[str] = ()
) -> None:
    """Keep the findings and further notes in a run as JSON, with thumbnails and outlines of a few of the (settled)
    good images a product, for its gallery page. Raises what `part_of` raises."""
    shown = []
    for finding in findings:
        for good in evenly([good for good in good_images if good.product == finding.product], SHOWN["page"]):
            image, part = reopen(good).image, part_of(good)
            assert image is not None
            path_of_part = "" if part is None else outline(part)
            height, width = image.shape[:2]
            shown.append(ShownPart(finding.product, good.id, width, height, data_uri(image, THUMBNAIL), path_of_part))
    kept = {"findings": [asdict(f) for f in findings], "shown": [asdict(s) for s in shown], "notes": list(notes)}
    write_whole(path, json_text(kept, indent=1, ensure_ascii=False).encode())


def read_parts(path: Path) -> KeptParts | None:
    """What `write_parts` kept, or None where the file does not exist, as in a run of an older version. SourceError
    where it is damaged."""
    if not path.exists():
        return None
    try:
        kept = load_json(read_text(path))
        findings = tuple(
            PartFinding(**{**finding, "doubtful": tuple(finding.get("doubtful", ()))}) for finding in kept["findings"]
        )
        return KeptParts(findings, tuple(ShownPart(**shown) for shown in kept["shown"]), tuple(kept.get("notes", ())))
    except (JsonTextError, LookupError, TypeError, AttributeError) as problem:
        raise SourceError(f"{path} is damaged ({reason(problem)}); copy the run again, or make it anew") from problem


def contact_sheet(split: Split, findings: Sequence[PartFinding]) -> np.ndarray:
    """A few good images and shots of each product of a settled split, the product's outline drawn in OUTLINE and the
    shots' masks in DEFECT: uint8 (H, W, 3). Raises what `part_of` raises."""
    bands = []
    for finding in findings:
        bands.append(_line(finding.text))
        for name, samples in (("good", split.good_images), ("shot", split.shots)):
            chosen = evenly([s for s in samples if s.product == finding.product], SHOWN[name])
            if chosen:
                bands.append(_row([_drawn(sample) for sample in chosen]))
    width = max((band.shape[1] for band in bands), default=1)
    wide = [np.pad(band, ((0, 0), (0, width - band.shape[1]), (0, 0)), constant_values=PAPER[0]) for band in bands]
    return np.vstack(wide) if wide else np.full((1, 1, 3), PAPER, np.uint8)


def _settle(
    product: str, shots: Sequence[Sample], good_images: Sequence[Sample], source: SourceConfig
) -> tuple[dict[str, Any], PartFinding]:
    """What meta["part"] of each sample becomes, by id, and the finding."""
    samples = [*shots, *good_images]
    ours = {sample.id: sample.meta["part"] for sample in samples if sample.meta.get("part") is not None}
    choice = getattr(source, "foreground", "whole")
    if ours:
        share, covered = _measured(shots, good_images, ours)
        text = f"{product}: its region came with the images, covers {_coverage(share, covered)}"
        return ours, PartFinding(product, "given", share, covered, text)
    if choice == "whole":
        return {}, PartFinding(
            product, "whole", 1.0, 1.0 if shots else None, f"{product}: the whole image counts as product"
        )
    if isinstance(choice, Path):
        root, follow_links = Path(getattr(source, "root", ".")), getattr(source, "follow_links", False)
        given = dict(_masks_of(samples, choice, root, follow_links))
        share, covered = _measured(shots, good_images, given)
        if covered is not None and covered < LEAST_COVERED:
            raise SourceError(
                f"{choice}, the source.foreground, covers only {covered:.0%} of the masks of the shots of {product}: "
                "it may be inverted; paint white where the product is, or leave source.foreground out"
            )
        text = f"{product}: source.foreground covers {_coverage(share, covered)}"
        return given, PartFinding(product, "given", share, covered, text)
    looked_at = evenly(good_images, MOST_LOOKED_AT)
    learnt = learn(_image_of(good) for good in looked_at)
    finding = _estimated(product, shots, learnt)
    if finding.how != "estimated":
        return {}, finding
    doubtful = tuple(looked_at[index].id for index in learnt.apart)
    return {sample.id: learnt.look for sample in samples}, replace(finding, doubtful=doubtful)


def _estimated(product: str, shots: Sequence[Sample], learnt: Learnt) -> PartFinding:
    """The finding for what was learnt from the good images."""
    shares = np.array(learnt.shares)
    found = shares[shares < 1]
    if len(found) <= FEW_FOUND * len(shares):
        text = (
            f"{product}: no plain background was found in {len(shares) - len(found)} of {len(shares)} "
            "good images, so the whole image counts as product; source.foreground takes a mask"
        )
        return PartFinding(product, "whole", 1.0, 1.0 if shots else None, text)
    _, covered = _measured(shots, (), {shot.id: learnt.look for shot in shots})
    share = float(np.median(found))
    low, high = np.quantile(found, [0.1, 0.9])
    if len(found) < LEAST_FOUND * len(shares):
        wrong = f"the product was found in only {len(found)} of {len(shares)} good images"
    elif high > MOST_SPREAD * low:
        wrong = f"what was found as product covers from {low:.0%} to {high:.0%} of the good images"
    elif shots and covered is None:
        wrong = "the product was found in less than half of the shots"
    elif covered is not None and covered < LEAST_COVERED:
        wrong = f"what was found as product covers only {covered:.0%} of the shots' masks"
    else:
        how = "" if learnt.look.common is None else ", by what they have in common"
        text = f"{product}: the product was found in {len(found)} of {len(shares)} good images{how}, covers "
        return PartFinding(product, "estimated", share, covered, text + _coverage(share, covered))
    text = f"{product}: {wrong}, so this is not used and nothing is checked against it; source.foreground takes a mask"
    return PartFinding(product, "not trusted", share, covered, text)


def _image_of(sample: Sample) -> np.ndarray:
    image = reopen(sample).image
    assert image is not None
    return image


def _measured(
    shots: Sequence[Sample], good_images: Sequence[Sample], parts: dict[str, Any]
) -> tuple[float, float | None]:
    """With these parts: the median share of the good images that is product, and the share of the shots' mask pixels
    that lie on it or within MARGIN. None without shots, and where fewer than half of them give an estimate; a shot
    without one proves nothing and is not counted."""
    shares = []
    for good in evenly(good_images, MOST_LOOKED_AT):
        part = _part_with(good, parts)
        shares.append(1.0 if part is None else float(part.mean()))
    inside = total = counted = 0
    for shot in shots:
        full = reopen(shot)
        part = _part_with(full, parts)
        if part is None and isinstance(parts.get(shot.id), Look):
            continue
        assert full.mask is not None
        counted += 1
        total += int(full.mask.sum())
        inside += int((full.mask if part is None else full.mask & _widened(part)).sum())
    share = float(np.median(shares)) if shares else 1.0
    return share, inside / total if total and 2 * counted >= len(shots) else None


def _part_with(sample: Sample, parts: dict[str, Any]) -> np.ndarray | None:
    return part_of(replace(sample, meta={**sample.meta, "part": parts.get(sample.id)}))


def _widened(part: np.ndarray) -> np.ndarray:
    """The part and all within MARGIN of it."""
    away = cv2.distanceTransform((~part).astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    return away <= max(1.0, MARGIN * max(part.shape))


def _coverage(share: float, covered: float | None) -> str:
    of_masks = "" if covered is None else f" and {covered:.1%} of the shots' masks"
    return f"{share:.0%} of them{of_masks}" if share >= 0.01 else f"{share:.1%} of them{of_masks}"


def _read_part(file: Path, shape: tuple[int, int]) -> np.ndarray:
    mask = read_mask(file)
    if not mask.any():
        raise SourceError(f"{file}, a mask of source.foreground, is black everywhere; paint white where the product is")
    return stretch(mask, shape)


def _masks_of(samples: Sequence[Sample], choice: Path, root: Path, follow_links: bool) -> Iterator[tuple[str, Path]]:
    """The mask of each sample, by id: `choice` itself or the file below it that is named like the image."""
    if choice.is_file():
        yield from ((sample.id, choice) for sample in samples)
        return
    if not choice.is_dir():
        raise SourceError(
            f"source.foreground: {choice} does not exist; name a mask or a folder of masks, or write auto or whole"
        )
    files, problems = files_below(choice, follow_links=follow_links)
    if wrong := [problem for problem in problems if problem.severity == "error"]:
        raise SourceError(f"{wrong[0]} (of source.foreground)")
    masks = {p.relative_to(choice).with_suffix("").as_posix(): p for p in files if is_image(p)}
    taken: dict[Path, str] = {}
    for sample in samples:
        file = Path(sample.meta["file"])
        within = file.relative_to(root) if file.is_relative_to(root) else Path(file.name)
        steps = within.with_suffix("").parts
        names = ["/".join(steps[start:]) for start in range(len(steps))]
        mask = next((masks[name] for name in names if name in masks), None)
        if mask is None:
            raise SourceError(
                f"{choice}, the source.foreground, has no mask for {file}; add {names[0]}.png or {names[-1]}.png, "
                "white where the product is, or name one mask for all images"
            )
        if mask in taken:
            raise SourceError(
                f"{mask}, a mask of source.foreground, is named like both {taken[mask]} and {file}; sort the masks "
                f"into folders as the images are, such as {names[0]}.png"
            )
        taken[mask] = str(file)
        yield sample.id, mask


def _drawn(sample: Sample) -> np.ndarray:
    """The sample small, with the outline of its part and of its mask: uint8 (h, w, 3), longer side THUMBNAIL."""
    full, part = reopen(sample), part_of(sample)
    assert full.image is not None
    height, width = full.image.shape[:2]
    scale = THUMBNAIL / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = np.array(Image.fromarray(full.image).resize(size, Image.Resampling.BOX))
    for mask, colour in ((part, OUTLINE), (full.mask, DEFECT)):
        if mask is not None and mask.any():
            resized = cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_AREA)
            # Tiny defects vanish at the thumbnail's size unless any pixel of theirs counts.
            flat = resized if resized.any() else stretch(mask, size[::-1]).astype(np.uint8)
            rings, _ = cv2.findContours(flat, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(small, rings, -1, colour, 1)
    return small


def _row(images: Sequence[np.ndarray]) -> np.ndarray:
    tall = max(image.shape[0] for image in images)
    band = np.full((tall + GAP, sum(image.shape[1] + GAP for image in images), 3), PAPER, np.uint8)
    left = 0
    for image in images:
        band[: image.shape[0], left : left + image.shape[1]] = image
        left += image.shape[1] + GAP
    return band


def _line(text: str) -> np.ndarray:
    font = ImageFont.load_default(13)
    image = Image.new("RGB", (round(font.getlength(text)) + GAP, TALLEST_LINE), PAPER)
    ImageDraw.Draw(image).text((2, 3), text, fill=INK, font=font)
    return np.asarray(image)
