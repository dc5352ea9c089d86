import time

import pytest

from synth.io.json_text import JsonTextError, load_json
from synth.io.yaml_text import YamlTextError, load_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 10)
)
MERGED = "m0: &m0 {a: 1}\n" + "".join(f"m{k}: &m{k} {{<<: [{', '.join([f'*m{k - 1}'] * 9)}]}}\n" for k in range(1, 10))
BAD = {
    "a thousand million values": (LAUGHS, r"f\.yaml:6: stands for more than 100,000 values"),
    "merges of merges": (MERGED, r"f\.yaml:\d+: stands for more than"),
    "deep lists": ("[" * 3000 + "]" * 3000, r"f\.yaml:1: is nested more than 32 deep"),
    "deep mappings": ("".join(f"{' ' * k}a:\n" for k in range(300)), r"f\.yaml:32: is nested more than 32 deep"),
    "a part in itself": ("a: &a\n- *a\n", r"f\.yaml:2: \*a lies in the part that it stands for"),
    "an alias of nothing": ("a: *b\n", r"f\.yaml:1: not valid YAML: found undefined alias"),
    "a long text": ("x" * 2**20, r"f\.yaml: holds 1,048,576 characters"),
    "an object": ("!!python/object/apply:os.getcwd []", r"f\.yaml:1: not valid YAML: could not determine a constr"),
    "syntax": ("a: b: c", r"f\.yaml:1: not valid YAML: mapping values"),
    "a NUL": ("a\0b", r"f\.yaml: not valid YAML"),
    "a number of thousands of digits": ("1" * 5000, r"f\.yaml: not valid YAML: Exceeds the limit"),
    **{f"no {tag}": (f"!!{tag} x", r"f\.yaml: not valid YAML") for tag in ("int", "bool", "float", "timestamp")},
    "an empty int": ("!!int ''", r"f\.yaml: not valid YAML"),
    "no such day": ("2001-99-99", r"f\.yaml: not valid YAML"),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_yaml_is_refused_in_a_line_and_at_once(name):
    text, words = BAD[name]
    began = time.process_time()
    with pytest.raises(YamlTextError, match=f"^{words}") as raised:
        load_yaml(text, "f.yaml")
    assert time.process_time() - began < 2
    assert "\n" not in str(raised.value)


def test_plain_yaml_is_read_with_its_aliases():
    assert load_yaml("a: &x {b: 1}\nc: *x\nd: {<<: *x, e: [1, 2.5, null]}\n", "f") == {
        "a": {"b": 1},
        "c": {"b": 1},
        "d": {"b": 1, "e": [1, 2.5, None]},
    }
    assert load_yaml("", "f") is None


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("[" * 100_000, "nested too deeply", None),
        ('{"a":' * 3000 + "1" + "}" * 3000, "nested too deeply", None),
        ("1" * 5000, "Exceeds the limit", None),
        ("{\n]", "Expecting property name", 2),
        ("", "Expecting value", 1),
    ],
)
def test_bad_json_is_one_exception(text, words, line):
    with pytest.raises(JsonTextError, match=words) as raised:
        load_json(text)
    assert raised.value.line == line
