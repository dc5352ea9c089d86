import numpy as np
import pytest

from synth.dual.attempts import first_success
from synth.dual.seeds import DEFECT_PURPOSES, PURPOSES, defect_streams, instance_seed, stream
from synth.errors import GeneratorError, SampleError


def test_the_first_attempt_that_succeeds_is_taken():
    asked = []

    def attempt(k):
        asked.append(k)
        if k < 2:
            raise GeneratorError(f"too small ({k})")
        return 10 * k

    assert first_success(5, attempt, "plate: no dent") == 20
    assert asked == [0, 1, 2]


@pytest.mark.parametrize(("attempts", "reason"), [(3, "too small (2)"), (0, "no attempt was made")])
def test_where_none_succeeds_the_last_reason_is_given(attempts, reason):
    def attempt(k):
        raise GeneratorError(f"too small ({k})")

    with pytest.raises(GeneratorError) as refused:
        first_success(attempts, attempt, "plate: no dent")
    assert str(refused.value) == f"plate: no dent in {attempts} attempts, the last one because {reason}"


def test_what_another_attempt_cannot_mend_is_not_tried_again():
    def attempt(k):
        assert k == 0
        raise SampleError("no cloud")

    with pytest.raises(SampleError):
        first_success(5, attempt, "plate: no dent")


def test_streams_differ_by_purpose_seed_instance_and_attempt():
    drawn = [stream(seed, purpose).random() for seed in (3, 4) for purpose in PURPOSES]
    for seed in (instance_seed(3, 0), instance_seed(3, 1)):
        for attempt in (0, 1):
            drawn += [defect_streams(seed, attempt)[name].random() for name in DEFECT_PURPOSES]
    assert len(set(drawn)) == len(drawn)
    assert stream(3, "count").random() == np.random.default_rng([3, 77]).random()
