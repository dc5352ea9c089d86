"""The files in which a run keeps what a sample has besides image and mask.

| kind  | file           | holds                                                                                       |
|-------|----------------|---------------------------------------------------------------------------------------------|
| xyz   | ID_xyz.tiff    | organised cloud float32 (H, W, 3), metres                                                   |
| cloud | ID_cloud.ply   | points, normals, colours, label 0 or 1                                                      |
| masks | ID_masks.png   | red 255: the geometry changed; green 255: the image changed; blue: number of the instance, |
|       |                | plus 128 on its core, where it is at least half as high as at its highest                   |
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from synth.io.images import read_image
from synth.pipeline.folder import png_bytes
from synth.sample import Cloud, InstanceMasks, Sample


def encoded_extras(sample: Sample) -> dict[str, tuple[str, bytes]]:
    """What is to be written of a sample: (end of the file's name, content) by kind; {} for an image alone."""
    files = {}
    if sample.xyz is not None:
        from synth.io.tiff import xyz_bytes

        files["xyz"] = ("_xyz.tiff", xyz_bytes(sample.xyz))
    if sample.cloud is not None:
        from synth.io.points import ply_bytes

        files["cloud"] = ("_cloud.ply", ply_bytes(sample.cloud))
    masks = None if sample.provenance is None else sample.provenance.masks
    if masks is not None and masks.geometry is not None:
        files["masks"] = ("_masks.png", png_bytes(packed_masks(masks), even=True))
    return files


def packed_masks(masks: InstanceMasks) -> np.ndarray:
    """The masks of an organised sample as one image, uint8 (H, W, 3)."""
    assert masks.geometry is not None
    assert masks.image is not None
    assert masks.core is not None
    number = np.minimum(masks.number, 127).astype(np.uint8)
    number[masks.core] += 128
    geometry, image = (mask.view(np.uint8) * np.uint8(255) for mask in (masks.geometry, masks.image))
    return cv2.merge([geometry, image, number])


def read_masks(path: Path) -> InstanceMasks:
    """What a file of kind "masks" holds."""
    geometry, image, number = np.moveaxis(read_image(path), -1, 0)
    return InstanceMasks((number & 127).astype(np.int16), geometry > 127, image > 127, number > 127)


def read_extras(root: Path, extras: dict[str, tuple[str, str]]) -> tuple[np.ndarray | None, Cloud | None]:
    """xyz and cloud of a stored sample, None where it has none."""
    xyz = cloud = None
    if "xyz" in extras:
        from synth.io.tiff import read_tiff

        xyz = read_tiff(root / extras["xyz"][0])
    if "cloud" in extras:
        from synth.io.points import read_ply

        cloud = read_ply(root / extras["cloud"][0])
    return xyz, cloud
