"""Segmenters: small networks that mark defects, trained to see what a dataset is worth.

| name      | what it is                                                                        | parameters    |
|-----------|-----------------------------------------------------------------------------------|---------------|
| bisenetv2 | two branches, detail and meaning (Yu et al. 2021); the usual judge of such data    | 3.5 M x w^2   |
| lfd       | mostly low-level features, little context, in the manner of LFD-RoadSeg            | 0.9 M x w^2   |
| lite_unet | U-Net on EfficientNet-Lite0, which knows ImageNet (extra `imagenet`)              | 0.7 M         |
| upernet   | pyramid pooling over a ConvNeXt, ResNet or Swin backbone (Xiao et al. 2018)        | by its `size` |
| segformer | a transformer with a light decoder (Xie et al. 2021)                               | by its `size` |

w is `width`, the share of the published channels, 0.5 by default.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from eval.segmenters.registry import SEGMENTERS, configure

if TYPE_CHECKING:
    from eval.segmenters.segmenter import Segmenter


def create(name: str, **params: Any) -> Segmenter:
    """A segmenter that is not trained yet, with parameters of `eval.segmenters.config`."""
    from eval.segmenters.segmenter import Segmenter

    return Segmenter(name, configure(name, **params))


__all__ = ["SEGMENTERS", "configure", "create"]
