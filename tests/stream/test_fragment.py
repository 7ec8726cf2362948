"""Pieces of graphs that stand beside each other."""

import numpy as np
import pytest

pytest.importorskip('onnxruntime')

import onnxruntime

from signattn.stream.fragment import Fragment, make_model


def test_pieces_of_the_same_names_stand_beside_each_other():
    text = 'one, two = Split<axis=0>(x, halves)\nsum = Add(one, two)'
    step = Fragment(text, {'halves': np.array([2, 2])})
    near, far = step.within('near_'), step.within('far_', 'sum')
    assert (
        far.text == 'far_one, far_two = Split<axis=0>(x, far_halves)\nsum = Add(far_one, far_two)'
    )
    parts = near, far, Fragment('y = Mul(near_sum, sum)', {})
    session = onnxruntime.InferenceSession(make_model('m (float[4] x) => (float[2] y)', *parts))
    (y,) = session.run(None, {'x': np.arange(4, dtype=np.float32)})
    np.testing.assert_array_equal(y, [4, 16])
