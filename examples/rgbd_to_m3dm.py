"""Our RGB-D pairs as the tensors that M3DM and its followers (BTF, Shape-Guided, CFM) learn from: a torch Dataset over
a tree in the layout of MVTec 3D-AD (`output.format: mvtec_3d`).

    python examples/rgbd_to_m3dm.py outputs/demo_3d/data

An item is ((image, cloud, depth), mask, label, type): image float32 (3, side, side), standardised as ImageNet is; cloud
float32 (3, side, side), the organised cloud in metres resized by the nearest point, so that no point is invented
between two surfaces, (0, 0, 0) = no return; depth (3, side, side), its z three times; mask float32 (1, side, side);
label 1 where defective. Such a method calls points (0, 0, 0) background and leaves them out; tables are already gone in
the public archive as preprocessed, not in your scans.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import tifffile
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import DataLoader, Dataset

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def resized(array: np.ndarray, side: int, mode: str) -> Tensor:
    """(H, W, C) as float32 (C, side, side)."""
    tensor = torch.from_numpy(np.array(array, np.float32)).permute(2, 0, 1)[None]
    smooth = {"align_corners": False, "antialias": True} if mode == "bilinear" else {}
    return F.interpolate(tensor, (side, side), mode=mode, **smooth)[0]


class MultimodalTree(Dataset):
    """`part` of a product: train (good scans) or test (good and defective ones)."""

    def __init__(self, product: Path, part: str = "train", side: int = 224) -> None:
        self.files = sorted((product / part).glob("*/rgb/*.png"))
        self.side = side
        if not self.files:
            raise FileNotFoundError(f"no image in {product / part}/*/rgb; name a product of an mvtec_3d tree")

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[tuple[Tensor, Tensor, Tensor], Tensor, int, str]:
        file = self.files[index]
        kind = file.parent.parent
        image = resized(np.asarray(Image.open(file).convert("RGB")) / 255, self.side, "bilinear")
        image = (image - torch.tensor(MEAN)[:, None, None]) / torch.tensor(DEVIATION)[:, None, None]
        cloud = resized(tifffile.imread(kind / "xyz" / f"{file.stem}.tiff"), self.side, "nearest")
        depth = cloud[2:].repeat(3, 1, 1)
        mask = torch.zeros(1, self.side, self.side)
        truth = kind / "gt" / file.name
        if truth.is_file():
            mask = resized((np.asarray(Image.open(truth).convert("L")) > 0)[..., None], self.side, "nearest")
        return (image, cloud, depth), mask, int(mask.any()), kind.name


def main(arguments: list[str] | None = None) -> list[Tensor]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tree", type=Path, help="the folder that holds the products")
    parser.add_argument("--product", help="the first one by default")
    parser.add_argument("--side", type=int, default=224, help="px")
    given = parser.parse_args(arguments)
    product = given.tree / (given.product or sorted(path.parent.name for path in given.tree.glob("*/train"))[0])
    for part in ("train", "test"):
        data = MultimodalTree(product, part, given.side)
        (image, cloud, depth), mask, label, kinds = next(iter(DataLoader(data, batch_size=min(4, len(data)))))
        seen = (cloud != 0).any(1).float().mean().item()
        print(
            f"{product.name}/{part}: {len(data)} scans; image {tuple(image.shape)}, cloud {tuple(cloud.shape)} "
            f"({seen:.0%} of its pixels returned), mask {tuple(mask.shape)}; labels {label.tolist()} {[*kinds]}"
        )
    return [image, cloud, depth, mask]


if __name__ == "__main__":
    main()
