"""Train a small SegFormer on a dataset that flawsmith made: on a pushed one by its name on the Hub, or on the parquet
files of a run.

    python examples/train_segmenter.py OWNER/DATASET
    python examples/train_segmenter.py outputs/first/data --steps 300

The network starts from random weights, so nothing is downloaded but the data. It is measured on the split `test` where
there is one (`output.real_test: true`): real images that nothing has learnt from. Without it, on synthetic pairs that
are kept back with the good images they were drawn onto; such a figure says only whether the training works.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset, DatasetDict, load_dataset
from transformers import SegformerConfig, SegformerForSemanticSegmentation


def load(data: str) -> DatasetDict:
    """The splits of a repository on the Hub, or of the parquet files in a folder."""
    if not Path(data).is_dir():
        return load_dataset(data)
    files = {split: f"{data}/{split}-*.parquet" for split in ("train", "test")}
    there = {split: place for split, place in files.items() if any(Path(data).glob(Path(place).name))}
    return load_dataset("parquet", data_files=there)


def parts(data: DatasetDict) -> tuple[Dataset, Dataset, bool]:
    """What to train on, what to measure on, and whether the latter is real."""
    train = data["train"]
    if "test" in data:
        return train, data["test"], True
    starts = [start_of(row) for row in train["provenance"]]
    kept = set(sorted(set(starts))[::5])
    used = [index for index, start in enumerate(starts) if start not in kept]
    aside = [index for index, start in enumerate(starts) if start in kept]
    return train.select(used), train.select(aside), False


def start_of(provenance: dict | str) -> str:
    """The hash of the good image that a row was drawn onto; of a real one, its own."""
    known = json.loads(provenance) if isinstance(provenance, str) else provenance
    return known.get("start") or known["sha256"]


def tensors(rows: dict[str, list], side: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (B, 3, side, side) in [0, 1] and masks (B, side, side) of 0 and 1."""
    images = np.stack([np.asarray(image.convert("RGB").resize((side, side))) for image in rows["image"]])
    masks = np.stack([np.asarray(mask.convert("L").resize((side, side), 0)) > 127 for mask in rows["mask"]])
    return torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255, torch.from_numpy(masks).long()


def batches(data: Dataset, size: int, steps: int, side: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """As many batches as there are steps, shuffled anew each time the data ends."""
    epoch = 0
    while steps > 0:
        for rows in data.shuffle(seed=epoch).iter(batch_size=size):
            yield tensors(rows, side)
            steps -= 1
            if not steps:
                return
        epoch += 1


def create(width: int) -> SegformerForSemanticSegmentation:
    """A SegFormer of four stages, as narrow as asked for, with random weights."""
    return SegformerForSemanticSegmentation(
        SegformerConfig(
            num_labels=2,
            depths=[1, 1, 1, 1],
            hidden_sizes=[width, 2 * width, 4 * width, 8 * width],
            num_attention_heads=[1, 2, 4, 8],
            decoder_hidden_size=4 * width,
        )
    )


def iou(network: SegformerForSemanticSegmentation, data: Dataset, side: int) -> float:
    """Intersection over union of all defective pixels."""
    network.eval()
    both = either = 0
    with torch.inference_mode():
        for rows in data.iter(batch_size=8):
            images, masks = tensors(rows, side)
            logits = network(images).logits
            found = torch.nn.functional.interpolate(logits, (side, side), mode="bilinear").argmax(1)
            both += int((found & masks).sum())
            either += int((found | masks).sum())
    return both / max(either, 1)


def main(arguments: list[str] | None = None) -> float:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", help="a dataset on the Hub, or a folder of parquet files")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--side", type=int, default=128, help="images are resized to this, px")
    parser.add_argument("--width", type=int, default=16, help="channels of the first stage")
    parser.add_argument("--out", help="where to save the network")
    given = parser.parse_args(arguments)

    torch.manual_seed(0)
    train, test, real = parts(load(given.data))
    network = create(given.width)
    optimiser = torch.optim.AdamW(network.parameters(), lr=6e-4)
    # Defects cover little of an image: without a weight "no defect" everywhere is a good answer for long.
    loss_of = torch.nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0]))
    network.train()
    for step, (images, masks) in enumerate(batches(train, given.batch, given.steps, given.side), 1):
        logits = network(images).logits
        loss = loss_of(torch.nn.functional.interpolate(logits, masks.shape[1:], mode="bilinear"), masks)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 50 == 0 or step == given.steps:
            print(f"step {step}: loss {loss.item():.3f}")
    reached = iou(network, test, given.side)
    print(f"IoU {reached:.3f} on {len(test)} {'real test images' if real else 'synthetic pairs that were kept back'}")
    if given.out:
        network.save_pretrained(given.out)
    return reached


if __name__ == "__main__":
    main()
