"""G2SF: distances to the banks computed once, by products in blocks, against two calls of cdist (released code);
and what a step of training and the scores of an image take.

python benchmarks/g2sf.py                      sizes of MVTec 3D-AD's bagel with a tenth of the banks
python benchmarks/g2sf.py --rows 76518         the whole bank of points: 22 GB of distances for cdist

Features are random: 56 x 56 cells, 768 channels of the image and 1152 of points.
"""

from __future__ import annotations

import argparse
import json
import resource

import torch
from timing import seconds
from torch import Tensor

from eval.detectors.g2sf.fitting import Banks, Mined, total_loss
from eval.detectors.g2sf.metric import Metric, aggregated
from eval.features.neighbours import nearest

WIDTHS = (768, 1152)
NEAREST = 6


def rows(count: int, channels: int, seed: int) -> Tensor:
    """Rows about a few prototypes, as features are."""
    generator = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(64, channels, generator=torch.Generator().manual_seed(1))
    chosen = torch.randint(64, (count,), generator=generator)
    return prototypes[chosen] + 0.5 * torch.randn(count, channels, generator=generator)


def twice(cells: Tensor, bank: Tensor) -> tuple[Tensor, Tensor]:
    """The released code: all distances for the nearest row, and all once more for the nearest few."""
    least = torch.cdist(cells, bank).min(1).values
    return least, torch.cdist(cells, bank).topk(NEAREST, largest=False).indices


def search(cells: int, bank_rows: int, channels: int, repeat: int) -> dict[str, float]:
    queries, bank = rows(cells, channels, 2), rows(bank_rows, channels, 3)
    slow, fast = seconds(lambda: twice(queries, bank), repeat), seconds(lambda: nearest(queries, bank, NEAREST), repeat)
    least, _ = twice(queries, bank)
    return {
        "bank_rows": bank_rows,
        "channels": channels,
        "twice_s": round(slow, 2),
        "once_s": round(fast, 2),
        "times_faster": round(slow / fast, 2),
        "largest_difference": float((least - nearest(queries, bank, NEAREST)[0][:, 0]).abs().max()),
    }


def metric_cost(cells: int, batch: int, repeat: int) -> dict[str, float]:
    """Seconds of a step of training, and of the metric on an image's cells with all their prototypes."""
    banks = Banks(rows(500, WIDTHS[0], 4), rows(500, WIDTHS[1], 5))
    metric = Metric(WIDTHS, torch.full((2,), 30.0))
    features = torch.cat([rows(batch, WIDTHS[0], 6), rows(batch, WIDTHS[1], 7)], 1)
    mined = Mined(features, torch.arange(batch) % 2 == 0, torch.randint(500, (batch, 11, 2)))
    step = seconds(lambda: total_loss(metric, banks, mined, 4.0).backward(), repeat)
    shown = torch.cat([rows(cells, WIDTHS[0], 8), rows(cells, WIDTHS[1], 9)], 1)
    near = torch.randint(500, (cells, NEAREST, 2))
    metric.eval().requires_grad_(False)

    def judged() -> Tensor:
        local = [metric(shown, banks.prototypes(near[:, rank])).local for rank in range(NEAREST)]
        return aggregated(torch.stack(local, 1), "min")

    return {"step_s": round(step, 3), "batch": batch, "metric_of_an_image_s": round(seconds(judged, repeat), 2)}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cells", type=int, default=56 * 56)
    parser.add_argument("--rows", type=int, default=7652)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--repeat", type=int, default=3)
    args = parser.parse_args()
    torch.set_num_threads(1)
    image_rows = args.rows // 4
    found = {
        "image": search(args.cells, image_rows, WIDTHS[0], args.repeat),
        "points": search(args.cells, args.rows, WIDTHS[1], args.repeat),
        "metric": metric_cost(args.cells, args.batch, args.repeat),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
