"""PatchCore on a tree in the layout of MVTec AD, read as anomalib reads it: one of ours (`output.format: mvtec`) or one
of the public archive.

    python examples/patchcore_on_mvtec_tree.py outputs/first/data
    python examples/patchcore_on_mvtec_tree.py /data/mvtec --product screw

It learns from train/good alone. Types that are called real_... are real test images (`output.real_test: true`); the
other types of our trees are synthetic defects on images of train/good, and show weak spots, not worth.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import eval
from synth.sample import Sample

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff"}


def images(folder: Path) -> list[Path]:
    return sorted(file for file in folder.glob("*") if file.suffix.lower() in SUFFIXES)


def load(file: Path, product: Path, defect: str | None = None) -> Sample:
    """An image, with its mask where it is defective: ground_truth/<type>/NAME_mask.png."""
    image = np.asarray(Image.open(file).convert("RGB"))
    mask = np.zeros(image.shape[:2], bool)
    if defect is not None:
        mask = np.asarray(Image.open(product / "ground_truth" / defect / f"{file.stem}_mask.png").convert("L")) > 0
    return Sample(f"{file.parent.name}/{file.stem}", image, mask, product=product.name, defect=defect)


def read(product: Path) -> tuple[list[Sample], list[Sample]]:
    """Good samples to learn from, and test samples, good and defective."""
    train = [load(file, product) for file in images(product / "train" / "good")]
    test = [load(file, product) for file in images(product / "test" / "good")]
    for folder in sorted(path for path in (product / "test").iterdir() if path.is_dir() and path.name != "good"):
        test += [load(file, product, folder.name) for file in images(folder)]
    return train, test


def measure(product: Path, features: str, side: int) -> dict[str, float]:
    train, test = read(product)
    if all(sample.defect for sample in test):
        # The source keeps no good images for testing: every fourth one to learn from takes their place.
        train, test = [one for i, one in enumerate(train) if i % 4], train[::4] + test
    detector = eval.detectors.create("patchcore", features=features, side=side)
    detector.fit(train)
    found = detector.predict(test)
    masks = [sample.mask for sample in test]
    return {
        "image AUROC": eval.metrics.auroc(found.score, np.array([mask.any() for mask in masks])),
        "pixel AUROC": eval.metrics.auroc(found.anomaly_map, masks),
        "AUPRO@30%": eval.metrics.aupro(found.anomaly_map, masks, limit=0.3),
    }


def main(arguments: list[str] | None = None) -> dict[str, dict[str, float]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="the folder that holds the products")
    parser.add_argument("--product", action="append", help="a product, may be repeated; all by default")
    parser.add_argument("--features", default="tiny_base", help="a feature network, such as efficientnet_lite0")
    parser.add_argument("--side", type=int, default=128, help="images are resized to this, px")
    given = parser.parse_args(arguments)
    products = given.product or sorted(path.parent.name for path in given.tree.glob("*/train"))
    figures = {product: measure(given.tree / product, given.features, given.side) for product in products}
    for product, of_it in figures.items():
        print(product, *(f"{name} {value:.3f}" for name, value in of_it.items()), sep="  ")
    return figures


if __name__ == "__main__":
    main()
