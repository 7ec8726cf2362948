"""What the replay notes, and that it comes back from the file."""

import numpy as np
import pytest

from signattn.nodes import ledger
from signattn.nodes.ledger import Entry, Ledger


def attention(cell):
    weights = np.zeros((10, 20), np.float32)
    weights.flat[cell] = 1
    return weights


def test_an_entry_is_complete_with_both_answers():
    book = Ledger()
    entry = book.send(7, 100)
    assert (entry.status, entry.complete) == ('lost', False)
    book.answer(7, 130, 0.25)
    assert (entry.status, entry.answered_ns, entry.complete) == ('answered', 130, False)
    book.attend(7, attention(3))
    assert entry.complete


def test_the_first_answer_counts_and_foreign_ones_do_not():
    book = Ledger()
    entry = book.send(7, 100)
    book.answer(7, 130, 0.25)
    book.answer(7, 140, 0.5)
    book.answer(8, 150, 0.75)
    book.attend(8, attention(0))
    assert (entry.answered_ns, entry.curvature) == (130, 0.25)
    assert book.entries == [entry]


def test_what_is_written_is_read_back(tmp_path):
    book = Ledger()
    book.skip(1)
    book.send(2, 100, due_ns=90)
    book.send(3, 200, expected=False)
    book.send(4, 300)
    book.answer(4, 333, -0.012345678901234567)
    book.attend(4, attention(42))
    book.write(tmp_path)
    assert ledger.read(tmp_path) == [
        Entry(1, 'skipped'),
        Entry(2, 'lost', 100, due_ns=90),
        Entry(3, 'skipped', 200),
        Entry(4, 'answered', 300, 333, -0.012345678901234567),
    ]
    maps = np.load(tmp_path / 'attention.npy')
    assert (maps.shape, maps.dtype) == ((4, 10, 20), np.float32)
    assert np.isnan(maps[:3]).all()
    np.testing.assert_array_equal(maps[3], attention(42))
    assert sorted(path.name for path in tmp_path.iterdir()) == ['answers.csv', 'attention.npy']


def settled(*images, step_ms=50):
    """What becomes of images (ms, expected, answered)."""
    book = Ledger()
    for stamp_ms, expected, answered in images:
        book.send(stamp_ms, 0, expected=expected)
        if answered:
            book.answer(stamp_ms, 1, 0.0)
    book.settle(step_ms)
    return [entry.status for entry in book.entries]


def test_an_image_that_was_taken_instead_answers_the_step():
    assert settled((0, True, False), (17, False, True)) == ['skipped', 'answered']
    assert settled((0, True, False), (17, False, False), (33, False, True)) == [
        'skipped',
        'skipped',
        'answered',
    ]


def test_an_image_stands_in_for_one_step_only():
    assert settled((0, True, False), (50, True, False), (67, False, True)) == [
        'lost',
        'skipped',
        'answered',
    ]
    assert settled((0, True, True), (17, False, True), (50, True, False)) == [
        'answered',
        'answered',
        'lost',
    ]


def test_what_was_expected_itself_or_comes_a_step_later_stands_in_for_nothing():
    assert settled((0, True, False), (49, True, True)) == ['lost', 'answered']
    assert settled((0, True, False), (49, False, True)) == ['skipped', 'answered']
    assert settled((0, True, False), (50, False, True)) == ['lost', 'answered']
    assert settled((0, True, False), (-10, False, True)) == ['lost', 'answered']


def test_nothing_is_written_where_there_is_no_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match='attention'):
        Ledger().write(tmp_path / 'missing')
