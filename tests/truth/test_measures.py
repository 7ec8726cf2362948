"""Maps of a few pixels, whose energy, peak and order can be seen."""

import numpy as np
import pytest

from signattn.truth import measure, through_cells


def picture(**values):
    """One frame, (1, 80, 160), 0 but for some pixels, r40c80=1.0."""
    made = np.zeros((1, 80, 160))
    for place, value in values.items():
        row, column = place[1:].split('c')
        made[0, int(row), int(column)] = value
    return made


def raw(saliency, covered, **options):
    """Measures of one frame without blur."""
    found = measure(saliency, covered, blur_px=0, **options)
    return {name: float(values[0]) for name, values in found._asdict().items()}


def test_energy_is_the_share_of_the_sum_on_causal_pixels():
    covered = picture(r40c80=1.0, r50c80=0.5)
    assert raw(picture(r40c80=3.0, r10c10=1.0), covered)['energy'] == 0.75
    assert raw(picture(r50c80=1.0), covered)['energy'] == 0.5
    assert raw(picture(r10c10=1.0), covered)['energy'] == 0


@pytest.mark.parametrize(
    ('row', 'column', 'hit'), [(44, 80, 1), (40, 76, 1), (42, 83, 1), (45, 80, 0), (43, 83, 0)]
)
def test_highest_pixel_may_lie_four_pixels_away(row, column, hit):
    saliency = np.full((1, 80, 160), 0.5)
    saliency[0, row, column] = 1.0
    assert raw(saliency, picture(r40c80=0.1))['pointing'] == hit


def test_of_several_highest_pixels_the_share_that_hits():
    saliency = picture(r40c80=2.0, r10c10=2.0, r10c20=2.0, r39c80=2.0, r50c50=1.0)
    assert raw(saliency, picture(r40c80=1.0), tolerance_px=1)['pointing'] == 0.5
    assert raw(saliency, picture(r40c80=1.0), tolerance_px=0)['pointing'] == 0.25


def test_order_is_that_of_the_truth_or_its_opposite():
    covered = np.random.default_rng(0).random((1, 80, 160))
    assert raw(covered**3, covered)['rank_correlation'] == pytest.approx(1)
    assert raw(1 - covered, covered)['rank_correlation'] == pytest.approx(-1)


@pytest.mark.parametrize('level', [0.0, 0.1])
def test_a_map_that_says_nothing_is_even(level):
    covered = np.zeros((1, 80, 160))
    covered[0, :20] = 1
    found = measure(np.full((1, 80, 160), level), covered, tolerance_px=0)
    assert found.energy == pytest.approx([0.25])
    assert found.pointing.tolist() == [0.25]
    assert found.rank_correlation.tolist() == [0]


def test_maps_are_blurred():
    spot, covered = picture(r40c80=1.0), picture(r40c80=1.0)
    # Of a Gaussian of 4 px the middle pixel holds 1 / (2π · 16).
    assert measure(spot, covered).energy == pytest.approx([1 / (32 * np.pi)], rel=1e-3)
    assert measure(spot, covered, blur_px=0).energy == [1]


def test_frames_without_anything_causal_do_not_count():
    covered = np.concatenate([picture(), picture(r40c80=1.0)])
    found = measure(np.ones((2, 80, 160)), covered)
    for values in found:
        assert np.isnan(values).tolist() == [True, False]


def test_a_map_of_cells_is_best_that_holds_the_truth():
    covered = np.zeros((1, 80, 160))
    covered[0, 40:80, 30:34] = 1  # a line
    best, centre = (
        measure(through_cells(covered), covered),
        measure(np.ones((1, 80, 160)), covered),
    )
    assert best.energy[0] > 5 * centre.energy[0]
    assert best.pointing[0] == 1
    assert best.rank_correlation[0] > 0.2


@pytest.mark.parametrize(
    ('saliency', 'error'),
    [
        (np.zeros((80, 160)), r'saliency must be \(2, 80, 160\), got \(80, 160\)'),
        (np.full((2, 80, 160), -0.5), 'must be finite and at least 0, got -0.5'),
        (np.full((2, 80, 160), np.nan), 'must be finite and at least 0, got nan'),
    ],
)
def test_what_is_no_map_is_refused(saliency, error):
    with pytest.raises(ValueError, match=error):
        measure(saliency, np.ones((2, 80, 160)))
