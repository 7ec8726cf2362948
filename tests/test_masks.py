import zipfile

import cv2
import numpy as np
import pytest

from signattn.bag import BagError
from signattn.masks import CUE, LINES, VALUES, read_masks, write_masks


def mask_of(value):
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:] = value
    return mask


def written(path, *stamps):
    with write_masks(path) as masks:
        for stamp_ns in stamps:
            masks.add(stamp_ns, mask_of(LINES))
    return path


def zipped(path, name, data):
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr(name, data)
    return path


def png(picture):
    return cv2.imencode('.png', picture)[1].tobytes()


def test_masks_come_back_by_stamp_and_in_order(tmp_path):
    path = tmp_path / 'drive.masks.zip'
    with write_masks(path) as masks:
        masks.add(20, mask_of(LINES))
        masks.add(3, mask_of(CUE))
    with read_masks(path) as read:
        assert list(read) == [3, 20]
        assert len(read) == 2
        assert 4 not in read
        np.testing.assert_array_equal(read[20], mask_of(LINES))
        np.testing.assert_array_equal(read[3], mask_of(CUE))


def test_same_masks_are_the_same_bytes(tmp_path):
    first, again = (written(tmp_path / name, 1, 2).read_bytes() for name in 'ab')
    assert first == again


def test_values_are_distinct_bytes():
    assert len(set(VALUES)) == 5
    assert min(VALUES) == 0
    assert max(VALUES) == 255


def test_failure_while_writing_leaves_nothing(tmp_path):
    def fail():
        with write_masks(tmp_path / 'drive.masks.zip') as masks:
            masks.add(1, mask_of(LINES))
            raise RuntimeError('enough')

    with pytest.raises(RuntimeError, match='enough'):
        fail()
    assert list(tmp_path.iterdir()) == []


def test_taken_place_is_an_error(tmp_path):
    path = written(tmp_path / 'drive.masks.zip', 1)
    before = path.read_bytes()
    with pytest.raises(ValueError, match='must not exist yet, got an older one'):
        written(path, 2)
    assert path.read_bytes() == before


def test_missing_file_is_an_error(tmp_path):
    with (
        pytest.raises(BagError, match=r'none.zip must be a readable zip of masks, got'),
        read_masks(tmp_path / 'none.zip'),
    ):
        pass


def test_other_file_is_an_error(tmp_path):
    path = tmp_path / 'drive.masks.zip'
    path.write_bytes(b'no zip at all')
    with pytest.raises(BagError, match='must be a readable zip of masks'), read_masks(path):
        pass


@pytest.mark.parametrize('name', ['mask.png', '12.jpg', '-1.png', 'a/12.png', '1' * 20 + '.png'])
def test_name_without_stamp_is_an_error(tmp_path, name):
    path = zipped(tmp_path / 'drive.masks.zip', name, png(mask_of(LINES)))
    with pytest.raises(BagError, match=r'names must be STAMP_NS.png, got'), read_masks(path):
        pass


def test_damaged_mask_is_an_error_and_the_others_are_read(tmp_path):
    path = written(tmp_path / 'drive.masks.zip', 1, 2)
    data = bytearray(path.read_bytes())
    data[data.index(b'IDAT') + 6] ^= 0xFF  # in the first mask
    path.write_bytes(data)
    with read_masks(path) as masks:
        with pytest.raises(BagError, match=r'1.png must be readable, got: Bad CRC-32'):
            masks[1]
        np.testing.assert_array_equal(masks[2], mask_of(LINES))


@pytest.mark.parametrize(
    ('data', 'error'),
    [
        (b'', 'must be an 8-bit grey PNG'),
        (b'no picture', 'must be an 8-bit grey PNG'),
        (png(np.zeros((4, 4, 3), np.uint8)), 'must be an 8-bit grey PNG'),
        (png(np.zeros((4, 4), np.uint16)), 'must be an 8-bit grey PNG'),
        (png(mask_of(17)), r'must hold \[0, 64, 128, 192, 255\] alone, got 17'),
    ],
)
def test_what_is_no_mask_is_an_error(tmp_path, data, error):
    path = zipped(tmp_path / 'drive.masks.zip', '7.png', data)
    with read_masks(path) as masks, pytest.raises(BagError, match=f'7.png {error}'):
        masks[7]
