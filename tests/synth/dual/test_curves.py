import numpy as np

from synth.dual.curves import line_noise


def test_line_noise_is_centred_and_scaled():
    line = line_noise(64, np.random.default_rng(0))
    assert abs(line.mean()) < 1e-12
    assert np.abs(line).max() == 1
