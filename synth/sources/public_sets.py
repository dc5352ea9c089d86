"""Public data sets with their licences, and how one is recognised: by its folders' names, by its products with their
defect types, or by what the files beside its images say.

A licence is stated here only where its publishers state one: an archive's own licence file, its repository's README or
its page on the Hub. None stands for a set whose publishers state none, or terms of their own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path

from synth.sources.licences import KINDS

NC_SA = "cc-by-nc-sa-4.0"
_LEAST_TYPES = 3
"""Defect types of a set whose products have no names of their own that show it."""
_LONG_NAME = 5
"""Letters from which the beginning of a folder's name shows a set."""
_LONGEST_TEXT = 64 * 2**10
_TEXTS = ("license", "licence", "readme", "copying")
_DEED = re.compile(r"creativecommons\.org/(?:licenses/(by[a-z-]*)|publicdomain/(zero))/(\d\.\d)", re.IGNORECASE)


@dataclass(frozen=True)
class PublicSet:
    """A published data set. `folders`: beginnings of names that its folder is given, letters and digits alone;
    `products`: its products with defect types that they have, none where any will do; `types`: defect types that no
    other set combines; `says`: a text in the files beside its images."""

    title: str
    licence: str | None
    folders: tuple[str, ...]
    products: Mapping[str, frozenset[str]] = field(default_factory=dict)
    types: frozenset[str] = frozenset()
    says: str | None = None


def _products(text: str) -> dict[str, frozenset[str]]:
    """Lines as "bottle: broken_large contamination"."""
    pairs = (line.partition(":") for line in text.split("\n") if line.strip())
    return {name.strip(): frozenset(types.split()) for name, _, types in pairs}


_MVTEC_AD = _products(
    """bottle: broken_large broken_small contamination
    cable: bent_wire cable_swap combined cut_inner_insulation cut_outer_insulation missing_cable missing_wire poke_insulation
    capsule: crack faulty_imprint poke scratch squeeze
    carpet: color cut hole metal_contamination thread
    grid: bent broken glue metal_contamination thread
    hazelnut: crack cut hole print
    leather: color cut fold glue poke
    metal_nut: bent color flip scratch
    pill: color combined contamination crack faulty_imprint pill_type scratch
    screw: manipulated_front scratch_head scratch_neck thread_side thread_top
    tile: crack glue_strip gray_stroke oil rough
    toothbrush: defective
    transistor: bent_lead cut_lead damaged_case misplaced
    wood: color combined hole liquid scratch
    zipper: broken_teeth combined fabric_border fabric_interior rough split_teeth squeezed_teeth"""  # noqa: E501
)
_MVTEC_3D = _products(
    """bagel: combined contamination crack hole
    cable_gland: bent cut hole thread
    carrot: combined contamination crack cut hole
    cookie: combined contamination crack hole
    dowel: bent combined contamination cut
    foam: color combined contamination cut
    peach: combined contamination cut hole
    potato: combined contamination cut hole
    rope: contamination cut open
    tire: combined contamination cut hole"""
)
_LOCO = _products("\n".join(f"{name}: logical_anomalies structural_anomalies" for name in (
    "breakfast_box", "juice_bottle", "pushpins", "screw_bag", "splicing_connectors"
)))  # fmt: skip
_AD_2 = _products("\n".join(f"{name}: bad" for name in (
    "can", "fabric", "fruit_jelly", "rice", "sheet_metal", "vial", "wallplugs", "walnuts"
)))  # fmt: skip


def _named(names: str) -> dict[str, frozenset[str]]:
    """Products that are known by their names alone."""
    return dict.fromkeys(names.split(), frozenset[str]())


PUBLIC_SETS = (
    PublicSet("MVTec 3D-AD", NC_SA, ("mvtec3d",), _MVTEC_3D),
    PublicSet("MVTec LOCO AD", NC_SA, ("mvtecloco",), _LOCO),
    PublicSet("MVTec AD 2", NC_SA, ("mvtecad2",), _AD_2),
    PublicSet("MVTec AD", NC_SA, ("mvtec",), _MVTEC_AD, says="MVTec Software GmbH"),
    PublicSet(
        "VisA",
        "cc-by-4.0",
        ("visa",),
        _named("candle capsules cashew chewinggum fryum macaroni1 macaroni2 pcb1 pcb2 pcb3 pcb4 pipe_fryum"),
    ),
    PublicSet("Real-IAD", NC_SA, ("realiad",)),
    PublicSet("BTAD", NC_SA, ("btad", "btech", "beantech")),
    PublicSet(
        "MPDD",
        NC_SA,
        ("mpdd",),
        _named("bracket_black bracket_brown bracket_white connector metal_plate tubes"),
    ),
    PublicSet("KolektorSDD", NC_SA, ("kolektor", "ksdd")),
    PublicSet(
        "Real3D-AD",
        "cc-by-4.0",
        ("real3d",),
        _named("airplane candybar car chicken diamond duck fish gemstone seahorse shell starfish toffees"),
    ),
    PublicSet("Anomaly-ShapeNet", "cc-by-4.0", ("anomalyshapenet",)),
    PublicSet("3D-ADAM", NC_SA, ("3dadam",)),
    PublicSet("MulSen-AD", None, ("mulsen",)),
    PublicSet(
        "Eyecandies",
        None,
        ("eyecandies",),
        _named(
            "CandyCane ChocolateCookie ChocolatePraline Confetto GummyBear HazelnutTruffle LicoriceSandwich Lollipop "
            "Marshmallow PeppermintCandy"
        ),
    ),
    PublicSet("DAGM 2007", None, ("dagm",), _named(" ".join(f"Class{n}" for n in range(1, 11)))),
    PublicSet(
        "magnetic tile defects",
        None,
        ("magnetictile", "mtdataset", "mtdefect"),
        types=frozenset({"blowhole", "break", "crack", "fray", "uneven"}),
    ),
    PublicSet(
        "NEU surface defects",
        None,
        ("neudet", "neucls", "neuseg", "neusurface"),
        types=frozenset({"crazing", "inclusion", "patches", "pitted_surface", "rolled-in_scale", "scratches"}),
    ),
    PublicSet("Severstal steel defects", None, ("severstal",)),
    PublicSet("GC10-DET", None, ("gc10",)),
)


def recognised_set(root: Path, products: Mapping[str, Collection[str]]) -> PublicSet | None:
    """The public set that a folder seems to hold, None for data of one's own. products: their names with their defect
    types, none where no type is known."""
    texts = list(_texts(root))
    for known in PUBLIC_SETS:
        if known.says and any(known.says in text for text in texts):
            return known
    for known in PUBLIC_SETS:
        if _by_folder(known, root) or _by_products(known, products):
            return known
    return None


def stated_licence(root: Path) -> str | None:
    """The Creative Commons licence that the files beside the images name, None where they name none or several."""
    found = {
        "cc0-1.0" if zero else f"cc-{kind.lower().strip('-')}-{version}"
        for text in _texts(root)
        for kind, zero, version in _DEED.findall(text)
    }
    return found.pop() if len(found) == 1 and found <= KINDS.keys() else None


def _by_folder(known: PublicSet, root: Path) -> bool:
    """Whether the folder, or one of the two above it, is called like the set."""
    names = [re.sub(r"[^a-z0-9]", "", name.lower()) for name in root.absolute().parts[-3:]]
    # A short name is a whole one: "visage" is no VisA.
    short = "|".join(name for name in known.folders if len(name) < _LONG_NAME)
    whole = re.compile(rf"(?:{short})(?:ad|anomaly|data|set|pytorch|raw|v?\d+)*") if short else None
    long = tuple(name for name in known.folders if len(name) >= _LONG_NAME)
    return any(name.startswith(long) or (whole is not None and whole.fullmatch(name)) for name in names)


def _by_products(known: PublicSet, products: Mapping[str, Collection[str]]) -> bool:
    types = {kind.lower().removeprefix("mt_") for kinds in products.values() for kind in kinds}
    if known.types:
        return len(types & known.types) >= _LEAST_TYPES
    if not products or not products.keys() <= known.products.keys():
        return False
    judged = [(known.products[name], set(kinds)) for name, kinds in products.items()]
    if not types or not any(usual for usual, _ in judged):
        # One name alone, such as "screw" or "car", is no sign.
        return len(products) > 1
    return all(kinds <= usual for usual, kinds in judged)


def _texts(root: Path) -> Iterator[str]:
    """Short texts about licence and origin in a folder and its products' folders; nothing where it is gone."""
    try:
        inner = [path for path in sorted(root.iterdir()) if path.is_dir()]
        for file in chain.from_iterable(sorted(folder.iterdir()) for folder in (root, *islice(inner, 100))):
            if file.name.lower().startswith(_TEXTS) and file.is_file() and file.stat().st_size <= _LONGEST_TEXT:
                yield file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return
