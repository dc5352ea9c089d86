"""The real samples a run uses, kept in the run: the good images that defects are drawn onto, the shots, and the test
images that go into its exports.

With them a run can be written in another format, shown and checked after the source has moved. Pixels are kept,
not files: everything is a PNG, and real/index.json, written last, has a record of each with where it came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from synth.errors import RunError, SourceError
from synth.io.atomic import write_whole
from synth.io.encoded import encode
from synth.io.images import content_hash
from synth.io.names import file_name
from synth.io.sealed import read_sealed, write_sealed
from synth.pipeline.folder import RunFolder
from synth.pipeline.preparation import asked
from synth.pipeline.stored import Role, StoredFile, StoredSample, damage, inside
from synth.recipe import Recipe
from synth.sample import Sample
from synth.sources.listing import reopen
from synth.split import Split
from synth.writers.names import stem_of

PLACES: dict[Role, str] = {"good": "good", "shot": "shots", "test": "test"}


def keep_real(folder: RunFolder, roles: Iterable[tuple[Role, Sequence[Sample]]]) -> list[StoredSample]:
    """Write the samples of each role into the run, unless they are there already and whole. Returns them by image."""
    roles = [(role, samples) for role, samples in roles]
    if (known := _whole(folder, {(role, sample.id) for role, samples in roles for sample in samples})) is not None:
        return known
    kept: dict[str, StoredSample] = {}
    for role, samples in roles:
        for sample in samples:
            record = _keep(folder, reopen(sample), role, kept)
            kept[record.files["image"].path] = record
    records = [kept[image] for image in sorted(kept)]
    write_sealed(folder.real / "index.json", [record.to_json() for record in records])
    return records


def read_real(folder: RunFolder) -> list[StoredSample]:
    """What `keep_real` wrote. RunError where it is damaged, or of another version."""
    path = folder.real / "index.json"
    try:
        records = [StoredSample.from_json(entry) for entry in read_sealed(path)]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as problem:
        raise RunError(
            f"{path} is damaged or of another version of flawsmith ({problem}); run the same recipe again, in another "
            "folder if it was made by an older version"
        ) from problem
    return records


def tested(recipe: Recipe, split: Split) -> list[Sample]:
    """The test samples that a run carries into its exports, still closed: the good images of its products and, where
    the recipe asks for the real test set, the defective ones of the types that it makes."""
    products = {good.product for good in split.good_images}
    wanted = recipe.request.defects
    return [
        sample
        for sample in split.test
        if sample.product in products
        and (sample.defect is None or (recipe.output.real_test and asked(sample.defect, wanted)))
    ]


def exported(real: Sequence[StoredSample], recipe: Recipe, splits: bool) -> list[StoredSample]:
    """The real records of an export: the good images, then the test images. A format that has `splits` gets the latter
    with the whole test set only; in others a defective one has the type real_<type>, apart from the synthetic ones."""
    good_images = [one for one in real if one.role == "good"]
    tests = [one for one in real if one.role == "test"]
    if splits:
        return good_images + (tests if recipe.output.real_test else [])
    return good_images + [one if one.defect is None else replace(one, defect=f"real_{one.defect}") for one in tests]


def _whole(folder: RunFolder, wanted: set[tuple[Role, str]]) -> list[StoredSample] | None:
    """What is kept already, None where it is not all that is wanted, or damaged."""
    try:
        records = read_real(folder)
    except RunError:
        return None
    if {(record.role, record.id) for record in records} != wanted:
        return None
    files = [file for record in records for file in record.files.values()]
    return None if any(damage(inside(folder.path, file.path), file.sha256) for file in files) else records


def _keep(folder: RunFolder, sample: Sample, role: Role, taken: dict[str, StoredSample]) -> StoredSample:
    if sample.image is None:
        raise SourceError(f"{sample.id} has no image; a {role} needs one")
    place = folder.real / PLACES[role] / file_name(str(sample.product))
    if sample.defect is not None:
        place /= file_name(str(sample.defect))
    content = content_hash(sample.image) if sample.cloud is None else content_hash(sample.cloud.points)
    stem = stem_of(sample.id)
    if (place / f"{stem}.png").relative_to(folder.path).as_posix() in taken:
        stem = f"{stem}-{content[:8]}"
    files = {}
    for kind, file in encode(sample).items():
        path = place / f"{stem}{file.suffix}"
        stored = StoredFile(path.relative_to(folder.path).as_posix(), file.sha256)
        if not path.is_file() or path.read_bytes() != file.content:
            write_whole(path, file.content)
        files[kind] = stored
    source = sample.meta.get("file")
    return StoredSample(
        id=sample.id,
        role=role,
        product=str(sample.product),
        defect=sample.defect,
        files=files,
        content=content,
        source=None if source is None else str(source),
    )
