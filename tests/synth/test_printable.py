"""What names may put on a terminal, and what is offered for a name that is not known."""

import pytest

from synth.printable import printable
from synth.suggest import did_you_mean


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("crack 部品 Größe", "crack 部品 Größe"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b2J\x85", r"\x9b2J\x85"),
        ("gnp.\u202etxt\u2066\u200b\u2028", r"gnp.\u202etxt\u2066\u200b\u2028"),
        ("b\udcffd", r"b\udcffd"),
        ("\U000e0041", r"\U000e0041"),
    ],
)
def test_what_does_not_print_stands_as_its_escape(text, shown):
    assert printable(text) == shown
    assert printable(text).encode().decode().isprintable()


def test_a_close_name_is_offered_and_else_what_there_is():
    assert did_you_mean("carck", ["crack", "pit"]) == "did you mean crack?"
    assert did_you_mean("zzz", ["crack", "pit"]) == "there are: crack, pit"
    assert did_you_mean("zzz", []) == "there are: none"
    assert did_you_mean("zzz", (f"n{i}" for i in range(500))).endswith("n19 and 480 more")
