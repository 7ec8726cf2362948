"""Masks on the network's grid: by hand, and of a drive that is really rendered and converted."""

import numpy as np
import pytest

from signattn.convert import convert
from signattn.drive import DriveError
from signattn.masks import CUE, GROUND, LINES, SCENERY, read_masks, write_masks
from signattn.preprocess import Preprocessing
from signattn.synthetic import SynthConfig, masks_path, synth
from signattn.truth import PARTS, coverage, masks_beside, through_cells, without

STEP = 1 / 255  # of a coverage


def write(path, masks):
    with write_masks(path) as writer:
        for stamp_ns, mask in masks.items():
            writer.add(stamp_ns, mask)
    return path


def test_share_of_each_pixel(write_drive, tmp_path):
    mask = np.zeros((160, 320), np.uint8)  # 2×2 pixels for each of the network's
    mask[0, 0] = LINES
    mask[10:12, 20] = LINES
    mask[20:22, 40:42] = LINES
    mask[30:32, 60:62] = GROUND
    mask[40:42, 80] = SCENERY
    mask[50, 90] = CUE
    drive = write_drive([0.0], stamps_ns=[7])
    path = write(tmp_path / 'masks.zip', {7: mask})
    covered = coverage(drive, path)
    assert covered.shape == (1, 80, 160)
    assert covered.dtype == np.float32
    expected = np.zeros((80, 160))
    expected[0, 0], expected[5, 10], expected[10, 20] = 0.25, 0.5, 1.0
    np.testing.assert_allclose(covered[0], expected, atol=STEP)
    expected[15, 30] = 1.0
    np.testing.assert_allclose(coverage(drive, path, PARTS['road'])[0], expected, atol=STEP)
    expected[20, 40] = 0.5
    np.testing.assert_allclose(coverage(drive, path, PARTS['moved'])[0], expected, atol=STEP)
    assert np.argwhere(coverage(drive, path, PARTS['cue'])[0]).tolist() == [[25, 45]]


def test_crop_of_the_drive_is_taken(write_drive, tmp_path):
    mask = np.zeros((160, 160), np.uint8)
    mask[80:90, 0:10] = LINES  # the first rows of what is left
    preprocessing = Preprocessing(crop_top=0.5, aspect_ratio=1.0)
    drive = write_drive([0.0], stamps_ns=[7], preprocessing=preprocessing)
    covered = coverage(drive, write(tmp_path / 'masks.zip', {7: mask}))
    assert covered[0, :10, :10].min() == 1
    assert covered.sum() == 100


def test_each_frame_gets_the_mask_of_its_stamp(write_drive, tmp_path):
    drive = write_drive([0.0] * 2, stamps_ns=[20, 40])
    masks = {stamp: np.zeros((80, 160), np.uint8) for stamp in (10, 20, 30, 40)}
    masks[20][0], masks[40][1] = LINES, LINES
    covered = coverage(drive, write(tmp_path / 'masks.zip', masks))
    assert np.argwhere(covered.any(2)).tolist() == [[0, 0], [1, 1]]


def test_masks_of_another_recording_are_refused(write_drive, tmp_path):
    drive = write_drive([0.0] * 3, stamps_ns=[1, 2, 3])
    path = write(tmp_path / 'masks.zip', {1: np.zeros((80, 160), np.uint8)})
    text = r'must hold a mask for each of the 3 frames of .*, got none for 2, the first at 2 ns'
    with pytest.raises(DriveError, match=text):
        coverage(drive, path)


@pytest.mark.parametrize('width', [319, 321])
def test_an_aspect_ratio_that_is_nearly_that_of_the_pictures(write_drive, tmp_path, width):
    drive = write_drive([0.0], stamps_ns=[7], preprocessing=Preprocessing(aspect_ratio=2.0))
    path = write(tmp_path / 'masks.zip', {7: np.zeros((160, width), np.uint8)})
    assert coverage(drive, path).shape == (1, 80, 160)


@pytest.mark.parametrize('width', [318, 322])
def test_another_aspect_ratio_is_refused(write_drive, tmp_path, width):
    drive = write_drive([0.0], stamps_ns=[7], preprocessing=Preprocessing(aspect_ratio=2.0))
    path = write(tmp_path / 'masks.zip', {7: np.zeros((160, width), np.uint8)})
    with pytest.raises(DriveError, match=rf'of aspect ratio 2.0 as the .*, got 160×{width}$'):
        coverage(drive, path)


def test_through_cells_is_the_mean_of_each_cell():
    covered = np.zeros((2, 80, 160), np.float32)
    covered[0, 3, 5] = 1
    covered[1, 8:16, 8:12] = 1
    cells = through_cells(covered)
    assert cells[0, :8, :8].tolist() == [[1 / 64] * 8] * 8
    assert cells[1, 8:16, 8:16].tolist() == [[0.5] * 8] * 8
    assert cells.sum((1, 2)).tolist() == [1, 32]


@pytest.fixture(scope='module')
def rendered(tmp_path_factory):
    """A drive with lamps and the same without, at twice the rate of the network."""
    folder = tmp_path_factory.mktemp('rendered')
    drives = {}
    for name, cue in (('with', 1.0), ('without', None)):
        config = SynthConfig(
            duration=0.15,
            seed=3,
            width=320,
            height=240,
            rate_hz=40,
            cue=cue,
            masks='geometry',
            format='ros1',
        )
        bag = synth(folder / f'{name}.bag', config)
        drives[name] = convert(bag, folder / 'drives' / name)
    return folder, drives


def test_lamps_of_a_rendered_drive_are_where_the_cue_is(rendered):
    folder, drives = rendered
    one, other = drives['with'], drives['without']
    path = masks_beside(one, folder)
    assert path == masks_path(folder / 'with.bag')
    covered = coverage(one, path, PARTS['cue'])
    differs = (one.frames != other.frames).any(3)
    assert differs[covered == 1].mean() > 0.9
    assert not coverage(other, masks_beside(other, folder), PARTS['cue']).any()
    # Lamps lie on whole blocks of the JPEG; its colours spill over, into the next pixel at most.
    assert differs[covered == 0].mean() < 0.01
    filled = [without(drive.frames, covered, 'black') for drive in (one, other)]
    np.testing.assert_array_equal(*filled)


def test_a_rendered_drive_has_more_masks_than_frames(rendered):
    folder, drives = rendered
    drive = drives['without']
    path = masks_beside(drive, folder)
    with read_masks(path) as masks:
        assert len(masks) > len(drive) > 1
        shares = [float((masks[int(stamp)] == LINES).mean()) for stamp in drive.stamps_ns]
    # Area averaging keeps the area.
    assert coverage(drive, path).mean((1, 2)) == pytest.approx(shares, abs=STEP / 4)
