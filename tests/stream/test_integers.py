"""Integer products: every number by hand or by exact arithmetic."""

import numpy as np
import pytest

onnxruntime = pytest.importorskip('onnxruntime')

from signattn.stream.fragment import make_model  # noqa: E402
from signattn.stream.integers import LARGEST, linear_int8, to_int8  # noqa: E402


def product(weight, whole):
    """The graph's answer for (1, K) whole numbers."""
    count, length = weight.shape
    signature = f'product (float[1,{length}] x) => (float[1,{count}] y)'
    model = make_model(signature, linear_int8(weight, 'x', 'y'))
    session = onnxruntime.InferenceSession(model, providers=['CPUExecutionProvider'])
    return session.run(None, {'x': whole.astype(np.float32)[None]})[0][0]


def test_each_output_has_its_own_scale():
    weight = np.array([[2.0, -1.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.1, 12.7]], np.float32)
    rounded, scale = to_int8(weight)
    # −63.5 goes to the even number.
    assert rounded.tolist() == [[127, -64, 0], [0, 0, 0], [0, 1, 127]]
    assert rounded.dtype == np.int8
    np.testing.assert_allclose(scale, [2 / 127, 1.0, 0.1], rtol=1e-6)


def test_a_product_by_hand():
    # 127·3 − 64·5 = 61, and 1 stands for 2/127.
    weight = np.array([[2.0, -1.008]], np.float32)
    assert product(weight, np.array([3, 5]))[0] == np.float32(61 * 2 / 127)


@pytest.mark.parametrize('whole', [0, 1, -1, 127, 128, 129, -127, -128, -129, 1023, -1023])
def test_one_number_in_two_digits(whole):
    weight = np.array([[127.0]], np.float32)
    assert product(weight, np.array([whole]))[0] == 127.0 * whole


@pytest.mark.parametrize('whole', [LARGEST, -LARGEST])
def test_the_largest_sums_do_not_overflow(whole):
    """6,400 times the largest number with the largest weights of one sign."""
    weight = np.full((2, 6400), 127.0, np.float32)
    weight[1] *= -1
    got = product(weight, np.full(6400, whole))
    exact = 6400 * 127 * whole
    assert exact > 2**31 or exact < -(2**31)
    np.testing.assert_array_equal(got, np.array([exact, -exact], np.float64).astype(np.float32))


def test_nothing_is_lost_in_products_of_signs_and_levels():
    """Against integers of 64 bits: the float32 next to the exact product, not one bit off."""
    rng = np.random.default_rng(0)
    weight = rng.standard_normal((64, 6400)).astype(np.float32)
    whole = rng.integers(-1023, 1024, 6400)
    rounded, scale = to_int8(weight)
    exact = rounded.astype(np.int64) @ whole
    np.testing.assert_array_equal(product(weight, whole), (exact * scale).astype(np.float32))
    # Float32 does lose something.
    in_float = (rounded.astype(np.float32) @ whole.astype(np.float32)) * scale.astype(np.float32)
    assert not np.array_equal(in_float, (exact * scale).astype(np.float32))
