from itertools import pairwise
from pathlib import Path

import pytest

from synth.checks.duplicates import Duplicates
from synth.checks.ledger import LedgerRow
from synth.pipeline.findings import FEW_IMAGES, duplicate_problems


def copies(image: int, roles: list[str]) -> list[Duplicates]:
    rows = [
        LedgerRow(f"{image}-{n}", f"{image}-{n}.png", role, "lid", None, f"{image}{n}", b"")
        for n, role in enumerate(roles)
    ]
    return [Duplicates(first, second, 0.5) for first, second in pairwise(rows)]


@pytest.mark.parametrize(("accept", "severity"), [(False, "error"), (True, "warning")])
def test_an_image_with_two_roles_is_one_finding_that_names_the_other_role_first(accept, severity):
    (problem,) = duplicate_problems(Path("/data"), copies(0, ["good", "good", "test"]), accept)
    assert problem.severity == severity
    assert str(problem).startswith(
        "0-0.png: (good) holds the same image, copied or turned, as 0-2.png (test), 0-1.png (good); keep one of them"
    )


def test_images_with_copies_are_named_up_to_a_few_and_the_rest_counted():
    pairs = [pair for image in range(40) for pair in copies(image, ["good"] * 9)]
    problems = list(duplicate_problems(Path("/data"), pairs))
    assert len(problems) == FEW_IMAGES + 1
    assert "and 3 more" in problems[0].what
    assert problems[-1].what == f"and {40 - FEW_IMAGES - 1} more images have copies as well"
