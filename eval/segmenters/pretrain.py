"""The weights that segmenters start from: `python -m eval.segmenters.pretrain lfd --work DIR`, run once and shipped.

What a backbone learns from a million photographs spares a segmenter its first thousand steps; none comes with the
package, and none can be fetched everywhere. So the network learns to mark procedural defects on procedural materials
(`synth.seas.pretraining.captioned`): no photograph, and nothing of a user's product, went into it. All training sets of
a verdict start alike. An interrupted training resumes when the command is given again.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

from eval.segmenters import create
from eval.segmenters.config import ConvolutionalConfig
from eval.segmenters.start import shipped, write
from synth.sample import Sample
from synth.seas.pretraining.captioned import make_captioned

UNSEEN = 2_000_000
"""Captioned images from this index on are only chosen and judged with."""
JUDGES = 200


def captioned(side: int, index: int) -> Sample:
    """Captioned image number `index` as a sample: good, or with a "mark"."""
    made = make_captioned(index, side)
    return Sample(
        f"captioned-{index}", made.image, made.mask, product="any", defect="mark" if made.mask.any() else None
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("segmenter")
    parser.add_argument("--work", type=Path, required=True, help="folder for checkpoints and, at the end, figures")
    parser.add_argument("--images", type=int, default=6_000)
    parser.add_argument("--steps", type=int, default=2_000)
    args = parser.parse_args()
    segmenter = create(args.segmenter, steps=args.steps, validate_every=250, start="random")
    assert isinstance(segmenter.config, ConvolutionalConfig)
    with ProcessPoolExecutor() as pool:
        render = partial(captioned, segmenter.config.resolution)
        samples = list(pool.map(render, range(args.images), chunksize=100))
        unseen = list(pool.map(render, range(UNSEEN, UNSEEN + JUDGES), chunksize=20))
    segmenter.fit(samples, unseen, args.work)
    segmenter.save(args.work)
    write(segmenter, shipped(segmenter.name, segmenter.config))


if __name__ == "__main__":
    main()
