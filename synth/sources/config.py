"""The `source:` block of a recipe: where the real samples come from. `kind` chooses the layout."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from synth.io.units import Unit
from synth.sources.licences import licence_id
from synth.sources.scan_options import Background, ScanUnit


def _count(default: int | None, help_text: str, unit: str = "images", at_least: int = 1) -> Any:
    return Field(default, description=help_text, json_schema_extra={"unit": unit}, ge=at_least)


def _validation() -> Any:
    help_text = (
        "Share of the shots of each defect type that is kept from the generator, at least one, to choose thresholds "
        "with in a verdict. Only of types with 4 shots or more and with test images; a split file that lists "
        "validation decides instead; 0 = none."
    )
    return Field(0.25, description=help_text, json_schema_extra={"unit": "share"}, ge=0, lt=1)


def _shots() -> Any:
    help_text = (
        "How many shots of each defect type take part, those kept for validation among them, drawn at random by "
        "shots_draw; copies of an image count as one and stay together. The others play no role; none = all."
    )
    return Field(None, description=help_text, json_schema_extra={"unit": "shots"}, ge=1)


def _shots_draw() -> Any:
    return Field(0, description="Which random draw of the shots; of a type and a draw it is always the same.", ge=0)


def _white() -> Any:
    help_text = "Value of white in images of more than 8 bits, as 4095 of a 12-bit camera; none = by what they show."
    return Field(None, description=help_text, ge=255, le=65535)


Orientation = Annotated[
    Literal["auto", "exif", "stored"],
    Field(
        description="How images and masks are laid: exif (turned as their EXIF tags say), stored (as they are stored, "
        "which is how a tool draws masks that does not know the tag), or auto (as exif; told where an image and its "
        "mask have different tags, and refused where the masks then mark nothing)."
    ),
]
MaskValues = Annotated[
    Literal["auto"] | tuple[int | Annotated[str, Field(pattern="^#[0-9a-fA-F]{6}$")], ...],
    Field(
        description="What masks store on the defect: a list of grey values, of indices of a palette, or of colours "
        "such as '#ff0000'; auto: the one value or colour besides black, refused where that is not sure."
    ),
]
InvertedMasks = Annotated[
    Literal["refuse", "accept", "invert"],
    Field(
        description="Masks that mark more than half of the image in most shots of a type: refuse (black and white "
        "seem to be swapped), accept (the defect is that large), or invert (swap black and white in every mask)."
    ),
]


def _follow_links() -> Any:
    help_text = "Read links that lead out of root as well; without it they are refused, naming what they mean."
    return Field(False, description=help_text)


def _duplicates() -> Any:
    help_text = (
        "What happens where an image has two roles, such as shot and test: error (the run stops), or warn (it is told "
        "and accepted)."
    )
    return Field("error", description=help_text)


def _licence() -> Any:
    help_text = (
        "Licence of the images, as the id of the Hugging Face Hub or of SPDX, such as cc-by-4.0; other for terms of "
        "their own, unknown where none are known. A dataset that is pushed has it too; it changes no image."
    )
    return Field(None, description=help_text)


def _word(value: Any) -> Any:
    """auto and whole as words: a recipe makes every text of a field that takes a path absolute, these two as well."""
    path = Path(value) if isinstance(value, str | Path) else None
    return path.name if path is not None and path.name in ("auto", "whole") and not path.exists() else value


def _tiles() -> Any:
    help_text = "Side of the tiles into which larger images are cut; without it images are read whole."
    return Field(None, description=help_text, json_schema_extra={"unit": "px"}, ge=32)


Classes = dict[str, tuple[int | str, ...]]


def _classes() -> Any:
    help_text = (
        "Defect type -> its values in masks that hold several, as grey values, palette entries or colours: such as "
        '{scratch: [1], dent: [2, 3]} or {scratch: ["#ff0000"]}.'
    )
    return Field(None, description=help_text)


GoodFrom = Annotated[
    Literal["files", "defective"],
    Field(
        description="Where good images come from: the files of good parts, or windows of defective images away from "
        "their masks, for data without good parts."
    ),
]

Foreground = Annotated[
    Literal["auto", "whole"] | Path,
    BeforeValidator(_word),
    Field(
        description="Where the product is: auto (estimated from the good images and compared with the shots), whole "
        "(the whole image), a mask image (white = product, the same for all images), or a folder of masks named like "
        "the images, outside root."
    ),
]
"""As every path of a recipe, a relative one starts from the recipe's folder, or from the current one in an override."""


def _test_fraction() -> Any:
    help_text = "Share of each defect type and of the good images kept for measuring, without a split file."
    return Field(0.0, description=help_text, json_schema_extra={"unit": "share"}, ge=0, lt=1)


class ScanCamera(BaseModel):
    """The camera behind files that hold a depth a pixel (fx, fy, cx, cy), or the parallel rays behind files that hold a
    height a pixel (pitch_mm)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    fx: float | None = Field(None, description="Focal length along the columns, px; negative for a mirrored image.")
    fy: float | None = Field(None, description="Focal length along the rows, px.")
    cx: float | None = Field(None, description="Column of the optical axis; the first pixel's centre is at 0.")
    cy: float | None = Field(None, description="Row of the optical axis.")
    step_mm: float | None = Field(None, description="Depth that a step stands for; none = by source.unit.", gt=0)
    pitch_mm: float | tuple[float, float] | None = Field(
        None, description="Side of a pixel: one number, or along columns and along rows."
    )

    @model_validator(mode="after")
    def _one_of_both(self) -> ScanCamera:
        given = [name for name in ("fx", "fy", "cx", "cy") if getattr(self, name) is not None]
        if (len(given), self.pitch_mm is None) not in ((4, True), (0, False)):
            raise ValueError("give either fx, fy, cx and cy, or pitch_mm")
        if 0 in (self.fx, self.fy):
            raise ValueError("fx and fy are focal lengths in px, not 0")
        sides = self.pitch_mm if isinstance(self.pitch_mm, tuple) else (self.pitch_mm or 1.0,)
        if min(sides) <= 0:
            raise ValueError("pitch_mm is a length, above 0")
        return self


def _camera() -> Any:
    help_text = (
        "How scans are seen: auto (a pinhole or parallel rays, as their grids show), orthographic (parallel rays, as "
        "of line profilers), or, for files that hold a depth or height a pixel, {fx, fy, cx, cy} in px with step_mm, "
        "or {pitch_mm}."
    )
    return Field("auto", description=help_text)


def _background() -> Any:
    help_text = (
        "What parts lie on: plane (a table, taken off by its depth), none (all that returned is part), or auto: a "
        "plane where much of the border or of the frame follows one, none where the border of the frame is empty."
    )
    return Field("auto", description=help_text)


class _Tree(BaseModel):
    """What the blocks of all folders say."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    root: Path
    product: str | None = Field(None, description="Name of the only product; the folder's by default.", min_length=1)
    good_limit: int | None = _count(None, "Good samples used at most of each product, the first by name.", "samples")
    min_shots: int = _count(2, "Shots a defect type needs at least; with 1 the generator can only repeat it.", "shots")
    shots: int | None = _shots()
    shots_draw: int = _shots_draw()
    validation_fraction: float = _validation()
    exclude: tuple[str, ...] = Field(
        (), description="Files to leave out, as patterns below root such as `crack/a*` or `*/test/bent/003.png`."
    )
    follow_links: bool = _follow_links()
    duplicates: Literal["error", "warn"] = _duplicates()
    licence: Annotated[str, AfterValidator(licence_id)] | None = _licence()


class _Images(_Tree):
    """What the blocks of folders of images, without geometry, say."""

    foreground: Foreground = "auto"
    white_level: int | None = _white()
    orientation: Orientation = "auto"
    tiles: int | None = _tiles()
    good_from: GoodFrom = "files"


class FolderSource(_Images):
    """A folder of images with masks beside them or in a parallel folder, of one product or of one folder a product."""

    kind: Literal["folder"] = "folder"
    root: Path = Field(description="The folder; its tree is drawn in `synth.sources.folder`.")
    split: str | None = Field(
        None,
        description="JSON file in root that lists shots, test and perhaps validation; split.json is taken where there "
        "is one.",
    )
    test_fraction: float = _test_fraction()
    good: tuple[str, ...] = Field(
        (),
        description="Folders of good images, by name or path, as patterns; by default good, ok, normal and so on.",
    )
    masks: tuple[str, ...] = Field(
        (), description="Folders of masks, by name or path, as patterns; by default those that pair with images."
    )
    types: tuple[str, ...] = Field(
        (), description="Folders that are defect types whatever they are called, such as label or data."
    )
    type_from: Literal["first", "last", "path"] = Field(
        "first", description="Which of several nested folders is the defect type: the first, the last, or all joined."
    )
    products: Literal["auto", "one", "folders"] = Field(
        "auto",
        description="Folders that each hold good and defective images: one product a folder (folders), parts of one "
        "product (one), or products unless they are called by date, lot or shift (auto).",
    )
    mask_values: MaskValues = "auto"
    inverted_masks: InvertedMasks = "refuse"
    classes: Classes | None = _classes()


class _Archive(_Images):
    """What the blocks of public archives of images say."""

    root: Path = Field(description="A product's folder, or the folder above several.")
    products: Literal["all"] | tuple[str, ...] = Field("all", description="Products to read: all, or a list of names.")
    mask_values: MaskValues = "auto"
    inverted_masks: InvertedMasks = "refuse"
    classes: Classes | None = _classes()


class MvtecAdSource(_Archive):
    """A dataset in the MVTec AD tree, or in that of MVTec AD 2, LOCO, BTAD, MPDD or VisA's 1cls layout."""

    kind: Literal["mvtec_ad"] = "mvtec_ad"


class VisaSource(_Archive):
    """VisA in its original layout, with Data/Images in a product's folder."""

    kind: Literal["visa"] = "visa"


class DagmSource(_Archive):
    """DAGM 2007, whose classes are products."""

    kind: Literal["dagm"] = "dagm"


class KolektorSource(_Archive):
    """KolektorSDD or KolektorSDD2, where an image with a black mask is good."""

    kind: Literal["kolektor"] = "kolektor"


class RealIadSource(_Archive):
    """Real-IAD, with OK and NG in a product's folder."""

    kind: Literal["real_iad"] = "real_iad"


class LabelSource(_Images):
    """Images with files of labels: COCO, YOLO segmentation, labelme, CVAT, Label Studio or run lengths in a CSV."""

    kind: Literal["labels"] = "labels"
    root: Path = Field(description="The folder with images and labels; see `synth.sources.labels.reader`.")
    labels: str | None = Field(None, description="File or folder below root that holds the labels; found by default.")
    classes: dict[str, tuple[str, ...]] | None = Field(
        None,
        description="Defect type -> the classes that are it, such as {scratch: [scr, deep]}; each class by default.",
    )
    test_fraction: float = _test_fraction()


class Mvtec3dSource(_Tree):
    """RGB-D data in the MVTec 3D-AD tree: one product folder, or the folder above several."""

    kind: Literal["mvtec_3d"] = "mvtec_3d"
    root: Path = Field(description="A product folder (with train/good/rgb and xyz) or the folder above several.")
    products: Literal["all"] | tuple[str, ...] = Field("all", description="Products to read: all, or a list of names.")
    foreground: Foreground = "auto"
    white_level: int | None = _white()
    orientation: Orientation = "auto"
    mask_values: MaskValues = "auto"
    inverted_masks: InvertedMasks = "refuse"
    unit: ScanUnit = Field(
        "auto",
        description="Unit of all scans of a product; auto: a median depth of 0.05 to 5 is m, of 50 to 5000 mm, beyond "
        "um; under parallel rays a width up to 0.5 is m, of 5 to 2000 mm, beyond um.",
    )
    camera: Literal["auto", "orthographic"] | ScanCamera = _camera()
    viewpoint: tuple[float, float, float] | None = Field(
        None,
        description="Where the sensor stood, in the frame and unit of the files; under parallel rays any point on its "
        "side. None: the origin, or where the scans' pixels show that it was.",
    )
    background: Background = _background()


class EyecandiesSource(_Tree):
    """Rendered RGB-D data in the Eyecandies tree: one class folder, or the folder above several."""

    kind: Literal["eyecandies"] = "eyecandies"
    root: Path = Field(description="A class folder (with train/data) or the folder above several.")
    foreground: Foreground = "auto"
    orientation: Orientation = "auto"
    mask_values: MaskValues = "auto"
    inverted_masks: InvertedMasks = "refuse"
    background: Background = _background()


class CloudSource(_Tree):
    """Point clouds and meshes without images: a folder of files, Real3D-AD or Anomaly-ShapeNet."""

    kind: Literal["clouds"] = "clouds"
    root: Path = Field(description="The folder; its trees are drawn in `synth.sources.clouds`.")
    points: int = Field(
        20_000,
        description="Points sampled of a mesh, or kept of a cloud.",
        json_schema_extra={"unit": "points"},
        ge=100,
    )
    unit: Unit | dict[str, Unit] = Field(
        "auto",
        description="Unit of the files: m, cm, mm, um or inch, or one by pattern as {'*.stl': mm}; auto: the format's, "
        "or one for all files of a product by their median extent, which is an error where it suits two units.",
    )
    columns: tuple[str, ...] = Field(
        (),
        description="Columns to read, by name or, of rows without names, in order: x, y, z, nx, ny, nz, r, g, b, "
        "label, - for one to skip; none = the known names but label, which marks a good part only if it is named here.",
    )
    normals: Literal["auto", "file", "flip", "estimate"] = Field(
        "auto",
        description="auto: the files' normals, turned where they do not point outwards, or estimated; file: as they "
        "are; flip: all turned; estimate: fitted to the points.",
    )
    viewpoint: tuple[float, float, float] | None = Field(
        None,
        description="Where the sensor of a one-sided scan was, in the files' frame and unit: normals point there; none "
        "= as a PCD says, or (0, 0, 0) where a camera there sees all of it.",
    )


class ProceduralSource(BaseModel):
    """The procedural product line: rendered parts with exact masks and geometry, made on the fly."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["procedural"] = "procedural"
    products: tuple[str, ...] = Field(("flange", "cap", "cloth"), description="Products to render.", min_length=1)
    good_images: int = _count(40, "Good parts of each product.")
    shots_per_defect: int = _count(
        8, "Shots, defective parts of each type to learn from; 0 for a generator that learns nothing.", at_least=0
    )
    shots: int | None = _shots()
    shots_draw: int = _shots_draw()
    validation_fraction: float = _validation()
    test_per_defect: int = _count(8, "Defective parts of each type kept for measuring.", at_least=0)
    test_good_images: int = _count(20, "Good parts of each product kept for measuring.", at_least=0)
    size: int | tuple[int, int] = Field(
        192, description="Side, or height and width, of the images.", json_schema_extra={"unit": "px"}
    )
    seed: int = Field(0, description="Another seed renders other parts.", ge=0)


TreeSource = (
    FolderSource
    | MvtecAdSource
    | VisaSource
    | DagmSource
    | KolektorSource
    | RealIadSource
    | LabelSource
    | Mvtec3dSource
    | EyecandiesSource
    | CloudSource
)
SourceConfig = TreeSource | ProceduralSource
