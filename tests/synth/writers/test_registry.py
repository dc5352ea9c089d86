"""A format is one file and one line in WRITERS: recipes, their schema, runs and exports know it by that alone."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from typer.testing import CliRunner

from synth import generators
from synth.cli.main import app
from synth.errors import RecipeError, WriterError
from synth.pipeline.runs import export
from synth.recipe import Recipe, load_recipe
from synth.writers import WRITERS, Format, write
from tests.synth.blobs import BLOBS, run_blobs, tree, write_source


def write_voc(samples, sink):
    """Pascal VOC: one XML file a sample, with the box of its mask."""
    for sample in samples:
        height, width = sample.image.shape[:2]
        root = ElementTree.Element("annotation")
        ElementTree.SubElement(root, "filename").text = f"{sample.id}.png"
        size = ElementTree.SubElement(root, "size")
        for name, value in (("width", width), ("height", height), ("depth", 3)):
            ElementTree.SubElement(size, name).text = str(value)
        if sample.defect is not None:
            rows, columns = np.nonzero(sample.mask)
            found = ElementTree.SubElement(root, "object")
            ElementTree.SubElement(found, "name").text = sample.defect
            box = ElementTree.SubElement(found, "bndbox")
            for name, value in zip(
                ("xmin", "ymin", "xmax", "ymax"), (columns.min(), rows.min(), columns.max(), rows.max()), strict=True
            ):
                ElementTree.SubElement(box, name).text = str(value)
        sink.put(f"Annotations/{sample.id.replace('/', '_')}.xml", ElementTree.tostring(root))


@pytest.fixture
def _voc(monkeypatch):
    monkeypatch.setitem(WRITERS, "voc_xml", Format(f"{__name__}:write_voc", "Pascal VOC boxes"))


@pytest.mark.usefixtures("_voc")
def test_a_new_format_is_run_exported_and_written_by_its_line_in_the_registry(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)
    finished = run_blobs(write_source(tmp_path / "source"), tmp_path / "run", output={"format": ["mvtec", "voc_xml"]})
    names = {path.stem for path in (finished.folder.data / "Annotations").iterdir()}
    assert {sample.id for sample in finished.manifest} <= names
    export(finished.path, "voc_xml", tmp_path / "exported")
    write([*finished.samples(), *finished.good_images()], tmp_path / "written", format="voc_xml")
    assert tree(tmp_path / "exported") == tree(tmp_path / "written")
    first = ElementTree.parse(finished.folder.data / "Annotations" / f"{finished.manifest[0].id}.xml")
    assert first.findtext("object/name") == finished.manifest[0].defect


@pytest.mark.usefixtures("_voc")
def test_a_new_format_is_in_the_schema_and_among_what_a_mistake_may_have_meant():
    one, several = Recipe.model_json_schema()["$defs"]["OutputConfig"]["properties"]["format"]["anyOf"]
    assert one["enum"] == several["items"]["enum"] == list(WRITERS)
    with pytest.raises(RecipeError, match="'ply' or 'voc_xml' or a list; did you mean voc_xml\\?"):
        load_recipe("demo", ["output.format=voc_xm"])


@pytest.mark.parametrize("name", WRITERS)
def test_every_format_is_a_value_of_a_recipe_and_explained_in_its_schema(name):
    assert load_recipe("demo", [f"output.format={name}"]).output.formats == (name,)
    text = Recipe.model_json_schema()["$defs"]["OutputConfig"]["properties"]["format"]["description"]
    assert f"{name} ({WRITERS[name].summary})" in text


def test_an_unknown_format_is_refused_everywhere(tmp_path):
    with pytest.raises(WriterError, match="format 'plyy' is unknown; did you mean ply"):
        write([], tmp_path / "out", format="plyy")
    with pytest.raises(
        RecipeError, match=r"output\.format\.1 is 'plyy', wanted 'mvtec', .* or 'ply'; did you mean ply"
    ):
        load_recipe("demo", ["output.format=[mvtec, plyy]"])


def test_formats_of_one_run_do_not_write_into_each_other(tmp_path, monkeypatch):
    monkeypatch.setitem(generators.GENERATORS, "seas", BLOBS)
    source, names = write_source(tmp_path / "source"), ["mvtec", "coco", "yolo_seg", "visa"]
    finished = run_blobs(source, tmp_path / "run", output={"format": names})
    data = tree(finished.folder.data)
    for name in names:
        export(finished.path, name, tmp_path / name)
        prefix = f"{name}/" if WRITERS[name].apart else ""
        assert {prefix + file: content for file, content in tree(tmp_path / name).items()}.items() <= data.items()
    alone = run_blobs(source, tmp_path / "alone", output={"format": "coco"})
    assert tree(alone.folder.data) == tree(tmp_path / "coco")


def test_the_help_of_export_names_every_format():
    shown = CliRunner().invoke(app, ["export", "--help"], env={"COLUMNS": "200"}).output
    assert set(WRITERS) <= set(re.findall(r"\w+", shown))
