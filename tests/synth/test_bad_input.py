"""Broken folders, recipes and output places: each gets one message that says where, what and what to do, exit code 2,
and leaves every file as it was."""

import errno
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from typer.testing import CliRunner

from synth import generators
from synth.cli.main import app
from synth.pipeline.inspect import inspect
from tests.synth.blobs import given
from tests.synth.trees import blob, folder_tree, mvtec_tree, random_image, save, size_of, write_split

CRACK = Path("defect/crack")
Break = Callable[[Path], object]
"""Breaks the sound folder it is given."""


def png(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(array).save(buffer, "PNG")
    return buffer.getvalue()


def remove(*patterns: str) -> Break:
    def act(root: Path) -> None:
        for pattern in patterns:
            for file in filter(Path.is_file, list(root.glob(pattern))):
                file.unlink()

    return act


def put(name: str, content: bytes | str | np.ndarray | Callable[[], np.ndarray]) -> Break:
    def act(root: Path) -> None:
        made = content() if callable(content) else content
        if isinstance(made, np.ndarray):
            save(root / name, made)
        else:
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_bytes(made.encode() if isinstance(made, str) else made)

    return act


def both(*acts: Break) -> Break:
    return lambda root: [act(root) for act in acts]


def cut_short(name: str) -> Break:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:400])


def two_colours() -> np.ndarray:
    array = np.zeros((*size_of(100), 3), np.uint8)
    array[3:12, 4:20], array[20:30, 25:45] = (255, 0, 0), (0, 0, 255)
    return array


def frames(name: str, **options: object) -> Break:
    def act(root: Path) -> None:
        first, second = Image.fromarray(random_image(1)), Image.fromarray(random_image(2))
        first.save(root / name, save_all=True, append_images=[second], **options)

    return act


def blank_all(root: Path) -> None:
    for mask in root.glob("defect/crack/*_mask.png"):
        save(mask, np.zeros(size_of(100 + int(mask.name[5])), bool))


def swap_names(root: Path) -> None:
    image, mask = root / CRACK / "crack0.png", root / CRACK / "crack0_mask.png"
    image.rename(root / "kept")
    mask.rename(image)
    (root / "kept").rename(mask)


def dangling(root: Path) -> None:
    (root / "good" / "gone.png").symlink_to(root / "nowhere.png")


def split(shots: object, test: object) -> Break:
    return lambda root: write_split(root, shots, test)  # type: ignore[arg-type]


GOOD_IMAGES = [f"good{n}.jpg" for n in range(4)]
CRACKS = ["crack0.png", "crack1.png"]

FOLDERS: dict[str, tuple[Break, str]] = {
    "no good images": (remove("good/*"), r"tile has no good images of tile .*put 20 or more into a folder good"),
    "no defects": (remove("defect/*/*"), r"tile has no defective samples .*add a folder <defect type>/"),
    "no masks": (
        remove("defect/*/*_mask.png"),
        r"crack0\.png: has no mask; add .*crack0_mask\.png, .*5 more: flawsmith ins",
    ),
    "a missing mask": (remove("defect/pit/pit1_mask.png"), r"pit1\.png: has no mask; add .*pit1_mask\.png"),
    "mask of another size": (
        put("defect/crack/crack1_mask.png", lambda: blob(1, 20, 31)),
        r"crack1_mask\.png is 20 x 31 .*its image 40 x 54 .*export the mask at the size",
    ),
    "mask turned by 90 degrees": (
        put("defect/crack/crack1_mask.png", lambda: blob(1, 54, 40)),
        r"crack1_mask\.png is 54 x 40 .*turn the mask by 90 degrees",
    ),
    "blank masks everywhere": (blank_all, r"tile/crack has 0 shots .*blank masks: .*crack0\.png.*request\.defects"),
    "a text file named png": (put("good/a.png", "hello"), r"good/a\.png cannot be read .*format is unknown.*export it"),
    "several classes in colours": (
        put("defect/crack/crack0_mask.png", two_colours),
        r"crack0_mask\.png marks several classes .*one file for each defect type",
    ),
    "several class numbers": (
        put("defect/crack/crack0_mask.png", lambda: two_colours()[..., 0] // 255 + two_colours()[..., 2] // 127),
        r"crack0_mask\.png holds areas of value 1, 2.*source\.mask_values.*one file for each defect type",
    ),
    "one shot only": (
        remove("defect/crack/crack[12]*"),
        r"tile/crack has 1 shot, .*crack0\.png, .*at least 2; add images with masks, .*source\.min_shots",
    ),
    "image of 0 bytes": (put("good/good0.jpg", b""), r"good0\.jpg is empty \(0 bytes\); copy or export it again"),
    "mask of 0 bytes": (put("defect/pit/pit0_mask.png", b""), r"pit0_mask\.png is empty \(0 bytes\); copy or export"),
    "png cut short": (cut_short("defect/crack/crack2.png"), r"crack2\.png cannot be read .*; copy it again"),
    "jpeg cut short": (cut_short("good/good2.jpg"), r"good2\.jpg cannot be read .*; copy it again"),
    "animated image": (frames("good/a.gif"), r"a\.gif holds several images .*; save the one you mean as PNG"),
    "image of two pages": (frames("good/a.tif"), r"a\.tif holds several images .*; save the one you mean as PNG"),
    "one name for two photos": (
        both(put("good/a.jpg", lambda: random_image(60)), put("good/a.jpeg", lambda: random_image(61))),
        r"a\.jpg: has the same name as a\.jpeg; rename them",
    ),
    "one name for a photo as jpg and as png": (
        both(put("good/a.jpg", lambda: random_image(60)), put("good/a.png", lambda: random_image(61))),
        r"good/a\.png does not look like a mask .*names of the image and its mask swapped",
    ),
    "names of mask and image swapped": (swap_names, r"crack0_mask\.png does not look like a mask .*swapped\?"),
    "two masks for an image": (
        put("defect/crack/crack0_gt.png", lambda: blob(100, *size_of(100))),
        r"crack0\.png: has several masks: .*crack0_gt\.png.*; keep the one",
    ),
    "a marked mask for a good part": (
        put("good/good1_mask.png", lambda: blob(1, *size_of(1))),
        r"good1\.jpg is among the good parts, but .*good1_mask\.png marks .*; move the image",
    ),
    "an image among shots and good images": (
        put("good/again.png", lambda: np.ascontiguousarray(random_image(100, *size_of(100)))),
        r"shot .*crack0\.png and good .*again\.png hold the same pixels; .*remove one of the two",
    ),
    "a turned copy among shots and good images": (
        put("good/again.png", lambda: np.ascontiguousarray(np.rot90(random_image(100, *size_of(100))))),
        r"shot .*crack0\.png and good .*again\.png show one image, copied or turned .*remove one of the two",
    ),
    "floating point image": (
        lambda root: Image.fromarray(np.full((37, 53), 7, np.float32)).save(root / "good" / "depth.tif"),
        r"depth\.tif holds floating point numbers from 7 to 7, .*; export it with 8 or 16 bits, .*source\.white_level",
    ),
    "a link to nothing": (dangling, r"gone\.png is not a file; check the name"),
    "a link to a file outside": (
        lambda root: (root / "good" / "out.png").symlink_to("/etc/hostname"),
        r"good/out\.png: is a link to /etc/hostname, outside of .*tile; copy what it means .*source\.follow_links",
    ),
    "a link to a folder outside": (
        lambda root: (root / "good" / "out").symlink_to("/usr"),
        r"good/out: is a link to /usr, outside of .*tile; copy what it means",
    ),
    "a named pipe": (
        lambda root: os.mkfifo(root / "good" / "pipe.png"),
        r"good/pipe\.png is a named pipe, not a file; check the name, or remove it",
    ),
    "folders without end": (
        lambda root: root.joinpath(*["d"] * 60).mkdir(parents=True),
        r"tile(/d){33} lies more than 32 folders below .*tile; move it up",
    ),
    "PostScript named png": (
        put("good/a.png", "%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"),
        r"good/a\.png cannot be read .*format is unknown",
    ),
    "split file nested without end": (
        put("split.json", '{"shots":' * 3000 + "1" + "}" * 3000),
        r"split\.json: not valid JSON: it is nested too deeply; wanted",
    ),
    "split file with a name that no file has": (
        put("split.json", '{"shots": {"crack": ["a\\ud800.png"]}}'),
        r"split\.json: a.ud800\.png is no name that a file can have; correct it",
    ),
    "split file that is a pipe": (lambda root: os.mkfifo(root / "split.json"), r"split\.json is a named pipe"),
    "other files only": (
        both(remove("*/*", "*/*/*"), put("good/a.npy", "x"), put("notes.txt", "x")),
        r"tile: holds no images, only \.npy, \.txt files; give a folder with good/",
    ),
    "nothing": (remove("*/*", "*/*/*"), r"tile: is empty; give a folder with good/"),
    "split file with an image that is missing": (
        split({"crack": [*CRACKS, "crack9.png"], "good": GOOD_IMAGES}, {}),
        r"split\.json: lists crack: crack9\.png, which is not in .*tile; correct the name",
    ),
    "split file that is no JSON": (
        put("split.json", '{"shots": {\n"crack": [}'),
        r"split\.json:2: not valid JSON: .*wanted",
    ),
    "split file without shots": (put("split.json", '{"train": {}}'), r"split\.json has no key 'shots'; wanted"),
    "split file with a list of types": (
        split(["crack"], {}),
        r"split\.json: shots is no mapping of types to files; wanted",
    ),
    "split file with a type that is no list": (
        split({"crack": "crack0.png"}, {}),
        r"split\.json: shots\.crack is not a list of file names; wanted",
    ),
    "split file with an image in two roles": (
        split({"crack": CRACKS, "good": GOOD_IMAGES}, {"crack": ["crack1.png"]}),
        r"split\.json: crack/crack1\.png is listed in shots and in test; keep it in one",
    ),
    "split file with an image of another type": (
        split({"pit": ["crack0.png"], "good": GOOD_IMAGES}, {}),
        r"split\.json: lists crack0\.png as pit, but it lies in crack; list it there",
    ),
    "split file with a name that two images have": (
        both(
            put("train/crack/crack0.png", lambda: random_image(70)),
            put("train/crack/crack0_mask.png", lambda: blob(70)),
            split({"crack": CRACKS, "good": GOOD_IMAGES}, {}),
        ),
        r"split\.json: crack: crack0\.png is the name of 2 images; write its path below .*tile",
    ),
    "split file in another encoding": (
        put("split.json", "\xff\xfe".encode("utf-16")),
        r"split\.json cannot be read as text",
    ),
    "split file and a copy in its test part": (
        both(
            put("defect/crack/new.bmp", lambda: np.ascontiguousarray(random_image(100, *size_of(100))[::-1])),
            put("defect/crack/new.png", lambda: blob(100, *size_of(100))),
            split({"crack": CRACKS, "good": GOOD_IMAGES}, {"crack": ["new.bmp"]}),
        ),
        r"shot .*crack0\.png and test .*new\.bmp .*one role only: remove one",
    ),
}


class Unreached:
    """A generator that must never be asked for: the input is refused first."""

    def __init__(self, *_: object) -> None:
        raise AssertionError("bad input reached the generator")


@pytest.fixture(autouse=True)
def _no_generator(monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", given(Unreached))


def snapshot(place: Path) -> dict[str, bytes | None]:
    """Everything below place: the content of files, None for folders."""
    return {str(p): p.read_bytes() if p.is_file() else None for p in sorted(place.rglob("*")) if p.name != "out"}


def refused(place: Path, *arguments: str | Path, code: int = 2) -> str:
    """The message of a command that ends with this exit code and changes nothing below place, without the lines of its
    progress."""
    before = snapshot(place)
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    assert snapshot(place) == before
    return re.sub(r"(?m)^\d\d:\d\d:\d\d .*\n", "", result.stderr)


def write_recipe(place: Path, source: str, rest: str = "") -> Path:
    recipe = place / "bad.yaml"
    recipe.write_text(f"name: bad\nsource: {source}\nrequest: {{per_defect: 2}}\n{rest}")
    return recipe


@pytest.mark.parametrize("name", FOLDERS)
def test_a_broken_folder_is_refused(tmp_path, name):
    breaks, wanted = FOLDERS[name]
    root = folder_tree(tmp_path / "tile")
    breaks(root)
    recipe = write_recipe(tmp_path, "{kind: folder, root: tile}")
    message = refused(tmp_path, "run", recipe, "--out", tmp_path / "out")
    assert re.search(wanted, message), message
    assert message.count("\n") == 1


@pytest.mark.parametrize("name", FOLDERS)
def test_the_data_doctor_finds_it_too(tmp_path, name):
    breaks, _ = FOLDERS[name]
    root = folder_tree(tmp_path / "tile")
    breaks(root)
    answer = CliRunner().invoke(app, ["inspect", str(root), "--json"])
    assert answer.exit_code == 2
    assert any(problem["severity"] == "error" for problem in json.loads(answer.stdout)["problems"])


def test_the_folder_they_all_start_from_is_sound(tmp_path):
    report = inspect(folder_tree(tmp_path / "tile"))
    assert report.usable
    assert len(FOLDERS) >= 25


SOURCES = {
    "missing root": ("{kind: folder, root: none}", r"none does not exist; check the path"),
    "root is a file": ("{kind: folder, root: bad.yaml}", r"bad\.yaml is a file, wanted a folder"),
    "root left open": (
        "{kind: folder, root: ???}",
        r"bad\.yaml:2: source\.root is yours to give: add --set source\.root=",
    ),
    "no root": ("{kind: folder}", r"bad\.yaml:2: source\.root is missing: give it"),
    "unknown layout": (
        "{kind: mvtec, root: tile}",
        r"bad\.yaml:2: source has kind 'mvtec', wanted .*did you mean mvtec_ad",
    ),
    "no layout": ("{root: tile}", r"bad\.yaml:2: source has no kind"),
    "unknown key": (
        "{kind: folder, root: tile, spilt: a.json}",
        r"bad\.yaml:2: source\.spilt is unknown; did you mean .*split",
    ),
    "another tree": (
        "{kind: mvtec_ad, root: tile}",
        r"tile is no MVTec AD tree; wanted train/good.*or use layout folder",
    ),
    "split file that is not there": (
        "{kind: folder, root: tile, split: mine.json}",
        r"mine\.json does not exist; name a JSON file below source\.root",
    ),
    "exclude without effect": (
        "{kind: folder, root: tile, exclude: [carck/*]}",
        r"no file matches 'carck/\*' of source\.exc",
    ),
    "unknown product": ("{kind: mvtec_ad, root: ad, products: [nutt]}", r"ad: has no product 'nutt'; did you mean nut"),
    "unknown product of the line": (
        "{kind: procedural, products: [flunge]}",
        r"'flunge' is unknown; did you mean flange",
    ),
    "share out of range": (
        "{kind: folder, root: tile, test_fraction: 1.5}",
        r"bad\.yaml:2: source\.test_fraction is 1\.5",
    ),
}


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_that_cannot_be_read_is_refused(tmp_path, name):
    block, wanted = SOURCES[name]
    folder_tree(tmp_path / "tile")
    mvtec_tree(tmp_path / "ad" / "nut")
    message = refused(tmp_path, "run", write_recipe(tmp_path, block), "--out", tmp_path / "out")
    assert re.search(wanted, message), message
    assert message.count("\n") == 1


REQUESTS = {
    "unknown defect": ("request.defects=[carck]", r"tile has no defect type 'carck'; did you mean crack"),
    "unknown product": ("request.products=[bolt]", r"tile has no product 'bolt'; there are: tile"),
    "split said twice": ("source.test_fraction=0.5", r"split file, so source\.test_fraction=0\.5 .*remove one"),
    "no key=value": ("request.per_defect", r"--set request\.per_defect: wanted key=value"),
}


@pytest.mark.parametrize("name", REQUESTS)
def test_a_request_for_what_is_not_there_is_refused(tmp_path, name):
    override, wanted = REQUESTS[name]
    root = folder_tree(tmp_path / "tile")
    write_split(root, {"crack": CRACKS, "good": GOOD_IMAGES}, {})
    recipe = write_recipe(tmp_path, "{kind: folder, root: tile}")
    message = refused(tmp_path, "run", recipe, "--out", tmp_path / "out", "--set", override)
    assert re.search(wanted, message), message


def test_four_mistakes_in_a_recipe_are_reported_at_once_with_their_lines(tmp_path):
    folder_tree(tmp_path / "tile")
    rest = "generator: {kind: seas, resolution: big}\nchecks: {max_aera: 0.5}\noutput: {format: cocco}\nseed: -1\n"
    recipe = write_recipe(tmp_path, "{kind: folder, root: tile}", rest)
    message = refused(tmp_path, "run", recipe, "--out", tmp_path / "out")
    for line, key in ((4, "generator.resolution"), (5, "checks.max_aera"), (6, "output.format"), (7, "seed")):
        assert re.search(rf"^bad\.yaml:{line}: {re.escape(key)}", message, re.MULTILINE), message
    assert message.count("\n") == 4


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("name: [unclosed", r"bad\.yaml:1: not valid YAML"),
        ("- a\n- list\n", r"bad\.yaml:1: a recipe is a mapping"),
        ("name: a\nname: b\n", r"bad\.yaml:2: name is given twice, first in bad\.yaml:1: keep one"),
    ],
)
def test_what_is_no_recipe_is_refused(tmp_path, text, wanted):
    (tmp_path / "bad.yaml").write_text(text)
    assert re.search(wanted, refused(tmp_path, "run", tmp_path / "bad.yaml", "--out", tmp_path / "out"))


def test_a_recipe_that_is_not_there_names_the_bundled_ones(tmp_path):
    assert re.search(r"no recipe at .*none\.yaml.*demo", refused(tmp_path, "run", tmp_path / "none.yaml"))


@pytest.mark.parametrize(
    ("out", "wanted"),
    [
        ("bad.yaml", r"bad\.yaml is a file; name a folder"),
        ("bad.yaml/below", r"below.* cannot be used: .* is not a folder; choose another --out"),
        ("tile", r"tile holds files that are not a run's, such as \w+; name a new or empty folder"),
    ],
)
def test_an_output_place_that_cannot_be_used_is_refused(tmp_path, out, wanted):
    folder_tree(tmp_path / "tile")
    recipe = write_recipe(tmp_path, "{kind: folder, root: tile}")
    message = refused(tmp_path, "run", recipe, "--out", tmp_path / out)
    assert re.search(wanted, message), message


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (errno.ENOSPC, r"the disk is full \([\d.]+ \w+ left at .*, 13 bytes or more needed\); free some space"),
        (errno.EACCES, r"no permission to write in .*; choose another --out"),
    ],
)
def test_a_disk_that_refuses_leaves_no_half_file(tmp_path, monkeypatch, code, wanted):
    def refuse(table: object, place: Path, **_: object) -> None:
        place.write_bytes(b"half a ledger")
        raise OSError(code, "refused")

    monkeypatch.setattr(pq, "write_table", refuse)
    monkeypatch.setitem(generators.GENERATORS, "seas", given(lambda *_: SimpleNamespace(check=lambda *_: None)))
    folder_tree(tmp_path / "tile")
    recipe = write_recipe(tmp_path, "{kind: folder, root: tile}")
    message = refused(tmp_path, "run", recipe, "--out", tmp_path / "out", code=1 if code == errno.ENOSPC else 2)
    assert re.search(r"out/ledger\.parquet cannot be written: " + wanted, message), message
