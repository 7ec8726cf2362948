"""Which of the stamps that go backwards stay."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signattn.bag import in_order


@pytest.mark.parametrize(
    ('stamps', 'chosen'),
    [
        ([], []),
        ([5], [1]),
        ([1, 2, 2, 3], [1, 1, 1, 1]),  # repeated stamps stay
        ([1, 2, 3, 1, 4], [1, 1, 1, 0, 1]),  # a late one costs itself
        ([1, 99, 2, 3, 4], [1, 0, 1, 1, 1]),  # and so does one far ahead
        ([1, 2, 3, 4, 1, 2], [1, 1, 1, 1, 0, 0]),  # a clock that was set back
        ([8, 9, 1, 2, 3], [0, 0, 1, 1, 1]),
    ],
)
def test_the_longest_sequence_stays(stamps, chosen):
    found = in_order(np.array(stamps, np.int64))
    assert found.dtype == bool
    assert found.tolist() == list(map(bool, chosen))


@given(st.lists(st.integers(-3, 9), max_size=9))
def test_none_goes_backwards_and_no_longer_sequence_exists(stamps):
    array = np.array(stamps, np.int64)
    before = array.copy()
    found = in_order(array)
    assert np.all(np.diff(array[found]) >= 0)
    np.testing.assert_array_equal(array, before)
    longest = [1] * len(stamps)
    for i, stamp in enumerate(stamps):
        longest[i] += max((longest[j] for j in range(i) if stamps[j] <= stamp), default=0)
    assert found.sum() == max(longest, default=0)
