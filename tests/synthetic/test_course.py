import numpy as np

from signattn.synthetic import SynthConfig
from signattn.synthetic.course import lay_course


def test_whole_number_is_a_curvature_like_any_other():
    whole, real = (
        lay_course(SynthConfig(duration=1.0, curvature=zero), np.random.default_rng(0))
        for zero in (0, 0.0)
    )
    np.testing.assert_array_equal(whole.speed, real.speed)
    np.testing.assert_array_equal(whole.heading, real.heading)
