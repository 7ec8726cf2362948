"""Each method on a network whose answer is weight · brightness of one cell."""

import numpy as np
import pytest
import torch

from signattn.explain.attention import AttentionMap
from signattn.explain.causal_filtering import CausalFiltering, dbscan
from signattn.explain.filling import mixed
from signattn.explain.gradcam import GradCam
from signattn.explain.integrated_gradients import IntegratedGradients
from signattn.explain.lime import Lime
from signattn.explain.rise import Rise

ROW, COLUMN = 4, 6
CELL = (slice(32, 40), slice(48, 56))
WEIGHT = 0.5
OTHER = (2, 13)
OTHER_CELL = (slice(16, 24), slice(104, 112))


def inside(saliency, cell=CELL):
    return saliency[0, 0][cell]


def outside(saliency):
    """A map without its cell."""
    rest = saliency[0, 0].copy()
    rest[CELL] = 0
    return rest


# Attention


def test_attention_is_alpha_repeated_over_the_pixels_of_a_cell(toy, spots):
    saliency = AttentionMap()(toy('sign', sharpness=3.0), spots((ROW, COLUMN))).saliency
    total = np.exp(3) + 199
    np.testing.assert_allclose(inside(saliency), np.exp(3) / total, rtol=1e-5)
    np.testing.assert_allclose(outside(saliency)[:32], 1 / total, rtol=1e-5)


def test_attention_keeps_its_order_where_it_underflows(toy, spots):
    """At 300 and 400 below the best, both are 0 in float32."""
    frames = spots((ROW, COLUMN)) + 0.25 * spots(OTHER)
    saliency = AttentionMap()(toy('sign', sharpness=400.0), frames).saliency
    assert saliency[0, 0].astype(np.float32)[20, 108] == 0
    assert inside(saliency).min() > inside(saliency, OTHER_CELL).max()
    np.testing.assert_allclose(np.log(inside(saliency, OTHER_CELL)), -300, rtol=1e-5)
    np.testing.assert_allclose(np.log(saliency[0, 0, 0, 0]), -400, rtol=1e-5)


# Grad-CAM


def test_gradcam_is_the_mean_gradient_times_the_features(toy, spots):
    """The gradient is WEIGHT in one cell of 200; the feature is ¾ there, and in another."""
    saliency = GradCam()(toy(), spots((ROW, COLUMN), OTHER, value=0.75)).saliency
    np.testing.assert_allclose(inside(saliency), WEIGHT / 200 * 0.75, rtol=1e-5)
    np.testing.assert_allclose(inside(saliency, OTHER_CELL), WEIGHT / 200 * 0.75, rtol=1e-5)
    assert saliency.sum() == pytest.approx(2 * 64 * WEIGHT / 200 * 0.75)


def test_gradcam_of_more_frames_than_go_through_at_once(toy, spots, monkeypatch):
    frames = torch.cat([spots((ROW, COLUMN), value=value) for value in (0.2, 0.4, 0.8)], 1)
    whole = GradCam()(toy(), frames).saliency
    monkeypatch.setattr('signattn.explain.gradcam.BATCH', 2)
    np.testing.assert_array_equal(GradCam()(toy(), frames).saliency, whole)


# Integrated gradients


def test_integrated_gradients_of_a_linear_answer(toy, spots):
    """Each of the cell's 64 pixels has its share of the change from black."""
    explain = IntegratedGradients(steps=4, filling='black')
    saliency = explain(toy(), spots((ROW, COLUMN), OTHER, value=0.75)).saliency
    np.testing.assert_allclose(inside(saliency), WEIGHT * 0.75 / 64, rtol=1e-5)
    assert not outside(saliency).any()


def test_integrated_gradients_from_the_mean_colour(toy, spots):
    """One white cell of 200: the mean is 1.275 of 255, 1 when rounded."""
    saliency = IntegratedGradients(steps=2)(toy(), spots((ROW, COLUMN))).saliency
    np.testing.assert_allclose(inside(saliency), WEIGHT * (254 / 255) / 64, rtol=1e-5)


# LIME


def test_lime_finds_the_weight_of_a_cell(toy, spots):
    """The answer is WEIGHT · ¾ with the cell and 0 without; the ridge takes about 1 %."""
    explain = Lime('cells', samples=800, filling='black')
    saliency = explain(toy(), spots((ROW, COLUMN), OTHER, value=0.75)).saliency
    np.testing.assert_allclose(inside(saliency), WEIGHT * 0.75, rtol=0.03)
    assert outside(saliency).max() < 0.01 * WEIGHT


def test_lime_finds_the_superpixel_of_a_cell(toy, spots):
    """The spot is wider than a superpixel's marker is far from the next."""
    bright = [(ROW + row, COLUMN + column) for row in range(2) for column in range(2)]
    saliency = Lime('superpixels', samples=200)(toy(), spots(*bright)).saliency[0, 0]
    found = saliency > 0.5 * saliency.max()
    assert found[CELL].all()
    assert found.sum() <= 20 * 20  # the spot, and a line around it


def test_few_samples_have_an_answer_too(toy, spots):
    saliency = Lime('cells', samples=1)(toy(), spots((ROW, COLUMN))).saliency
    assert not saliency.any()


# RISE


def test_rise_is_the_covariance_with_the_mask(toy, spots):
    """Cov(WEIGHT · mean mask of the cell, mask), from the same masks."""
    explain = Rise(masks=300, filling='black')
    saliency = explain(toy(), spots((ROW, COLUMN))).saliency[0, 0]
    masks = explain.draw().double().numpy()
    answer = WEIGHT * masks[:, 32:40, 48:56].mean((1, 2))
    expected = np.tensordot(answer - answer.mean(), masks - masks.mean(0), 1) / 300
    np.testing.assert_allclose(saliency, np.abs(expected), atol=1e-6)
    row, column = np.unravel_index(saliency.argmax(), saliency.shape)
    assert 28 <= row < 44
    assert 44 <= column < 60


def test_between_red_and_blue_there_is_no_green():
    hsv = np.zeros((1, 3, 80, 160), np.float32)
    hsv[:, 1:] = 1  # red
    red = torch.from_numpy(hsv)
    blue = red.clone()
    blue[:, 0] = 120 / 179
    kept = torch.tensor([0.0, 0.5, 1.0])[:, None, None].expand(3, 80, 160)
    none, half, whole = mixed(red, blue, kept)
    torch.testing.assert_close(none, red[0])
    torch.testing.assert_close(whole, blue[0])
    # (½, 0, ½) is a purple, 300 degrees.
    torch.testing.assert_close(half[:, 3, 5], torch.tensor([150 / 179, 1.0, 0.5]))
    grey = red * torch.tensor([0.0, 0.0, 1.0])[:, None, None]
    dark = 0.2 * grey
    torch.testing.assert_close(mixed(dark, grey, kept), torch.lerp(dark, grey, kept[:, None]))


def test_a_constant_answer_has_no_cause(toy, spots):
    network = toy(weight=0.0)
    network.output.bias[0] = 0.3
    assert not Rise(masks=20)(network, spots((ROW, COLUMN))).saliency.any()


def test_masks_are_kept_as_often_as_asked():
    for keep in (0.0, 0.3, 1.0):
        masks = Rise(masks=200, keep=keep).draw()
        assert masks.shape == (200, 80, 160)
        assert masks.mean().item() == pytest.approx(keep, abs=0.02)
        assert masks.min() >= 0
        assert masks.max() <= 1


def test_masks_of_a_size_that_does_not_divide_the_picture():
    assert Rise(masks=3, side_px=27).draw().shape == (3, 80, 160)


# Causal filtering


def test_a_cluster_that_changes_the_answer_comes_first(toy, spots):
    """Both cells have the same attention; the answer depends on one."""
    network = toy('sign', sharpness=8.0)
    frames = spots((ROW, COLUMN), OTHER)
    attention = AttentionMap()(network, frames).saliency
    saliency = CausalFiltering()(network, frames).saliency
    np.testing.assert_array_equal(inside(saliency, OTHER_CELL), inside(attention, OTHER_CELL))
    best = attention.max()
    core = (slice(33, 39), slice(49, 55))  # the hull of points in the cell
    np.testing.assert_array_equal(inside(saliency, core), 2 * best)
    assert outside(saliency).max() == best


@pytest.mark.parametrize(('least', 'kept'), [(0.99 * WEIGHT, True), (1.01 * WEIGHT, False)])
def test_a_change_counts_from_the_least_one_on(toy, spots, least, kept):
    """Masked, the answer goes from WEIGHT to −WEIGHT, which is half a standard deviation."""
    network = toy('sign', sharpness=20.0)
    network.curvature_scale.fill_(2.0)
    network.output.weight.div_(2.0)  # the scale comes behind
    frames = spots((ROW, COLUMN))
    explain = CausalFiltering(least_change=least, filling='black')
    attention = AttentionMap()(network, frames).saliency
    changed = not np.array_equal(explain(network, frames).saliency, attention)
    assert changed == kept


def test_attention_that_gathers_nowhere_stays_as_it_is(toy, spots):
    network = toy('soft32', sharpness=0.0)
    frames = spots((ROW, COLUMN))
    explanation = CausalFiltering(neighbours=40)(network, frames)
    assert explanation.forwards == 2
    np.testing.assert_array_equal(explanation.saliency, AttentionMap()(network, frames).saliency)


def test_regions_hold_the_points_of_the_attended_cells():
    attention = np.zeros((10, 20))
    attention[ROW, COLUMN] = attention[OTHER] = 0.5
    regions = CausalFiltering().regions(attention)
    assert len(regions) == 2
    for cell in (CELL, OTHER_CELL):
        (region,) = [region for region in regions if region[cell].any()]
        assert region[cell].mean() > 0.9
        assert region.sum() == region[cell].sum()


def test_clusters_by_hand():
    """A chain of four, two alone, a point at the border of the chain, and a pair."""
    x = [0.0, 1.0, 2.0, 3.0, 10.0, 4.0, 20.0, 21.0]
    points = np.stack([x, np.zeros(8)], 1)
    # Three within reach: 1, 2 and 3 (with 4) are a core; 0 and 4 border on it.
    assert dbscan(points, 1.0, 3).tolist() == [0, 0, 0, 0, -1, 0, -1, -1]
    assert dbscan(points, 1.0, 2).tolist() == [0, 0, 0, 0, -1, 0, 1, 1]
    assert dbscan(points, 0.99, 2).tolist() == [-1] * 8
    assert dbscan(points, 0.0, 1).tolist() == list(range(8))
