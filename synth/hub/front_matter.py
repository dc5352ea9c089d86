"""The YAML at the head of a card, as the Hub reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from synth.hub.dataset import ALL, FULL, HubDataset
from synth.hub.licences import Licence
from synth.pipeline.runs import Run

OURS = ("configs", "dataset_info", "size_categories")
"""What follows from the data: a person's other values stay."""
_SIZES = [(1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M")]
_TAGS = ("synthetic", "anomaly-detection", "defect-detection", "industrial-inspection", "flawsmith")


def front_matter(run: Run, dataset: HubDataset, licence: Licence) -> dict[str, Any]:
    """The values by key, in the order in which they are written."""
    geometry = {"depth": "rgb-d", "points": "point-cloud"}
    found: dict[str, Any] = {
        "license": licence.id,
        **({"license_name": "terms-of-the-source"} if licence.id == "other" else {}),
        "pretty_name": run.recipe.name.replace("_", " ").replace("-", " "),
        "task_categories": ["image-segmentation", "object-detection"],
        "tags": [*_TAGS, *(tag for column, tag in geometry.items() if column in dataset.features)],
        "annotations_creators": ["machine-generated"],
        "size_categories": [_size_category(len(dataset.records))],
        "source_datasets": [_source(licence)],
    }
    found |= {"configs": _configs(dataset)}
    return found | {"dataset_info": _infos(dataset)}


def combined(ours: Mapping[str, Any], theirs: Mapping[str, Any] | None) -> dict[str, Any]:
    """A card's values with ours: those that follow from the data are ours, tags of both, and the others theirs."""
    if not theirs:
        return dict(ours)
    both = {**ours, **{key: value for key, value in theirs.items() if key not in OURS and value is not None}}
    kept = theirs.get("tags")
    both["tags"] = list(dict.fromkeys([*(kept if isinstance(kept, list) else []), *ours["tags"]]))
    return both


def _size_category(rows: int) -> str:
    return next((name for limit, name in _SIZES if rows < limit), "1M<n<10M")


def _source(licence: Licence) -> str:
    if licence.public_set is None:
        return "original"
    return f"extended|other-{re.sub('[^a-z0-9]+', '-', licence.public_set.lower()).strip('-')}"


def _configs(dataset: HubDataset) -> list[dict[str, Any]]:
    found = []
    for name, splits in dataset.configs.items():
        files = [
            {"split": split, "path": patterns[0] if len(patterns) == 1 else patterns}
            for split, patterns in splits.items()
        ]
        found.append({"config_name": name, **({"default": True} if name == ALL else {}), "data_files": files})
    return found


def _infos(dataset: HubDataset) -> Any:
    """Features, rows and bytes of each config, as `datasets` compares them with what it reads."""
    from datasets import DatasetInfo, SplitDict, SplitInfo
    from datasets.info import DatasetInfosDict
    from huggingface_hub import DatasetCardData

    infos = {}
    for name in dataset.configs:
        sizes = dataset.sizes(name)
        infos[name] = DatasetInfo(
            features=dataset.large if name == FULL else dataset.features,
            splits=SplitDict({split: SplitInfo(split, held, rows) for split, (rows, held, _) in sizes.items()}),
            download_size=sum(stored for _, _, stored in sizes.values()),
            dataset_size=sum(held for _, held, _ in sizes.values()),
        )
    data = DatasetCardData()
    DatasetInfosDict(infos).to_dataset_card_data(data)
    return data.to_dict()["dataset_info"]
