"""Kim and Canny's second stage: attended regions, less those that change no answer."""

from dataclasses import dataclass
from typing import ClassVar

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csgraph
from scipy.spatial import distance
from torch import Tensor

from signattn.explain.attention import require_attention
from signattn.explain.clean import Frozen, clean_pass
from signattn.explain.explainer import Explanation, as_saliency
from signattn.explain.filling import Filling, filled
from signattn.model import Network, State
from signattn.model.encoder import COLUMNS
from signattn.preprocess import HEIGHT, WIDTH

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CausalFiltering:
    """Regions of attention that the answer depends on, before all others.

    Points are drawn by α and clustered; the convex hull of each cluster is masked, alone, and
    kept if that changes the answer. What is kept comes first, by α; the rest follows by α, so
    that there is an order beyond what is kept.

    Attributes:
        points: Drawn from α.
        reach_px: Points as near as this are neighbours, px.
        neighbours: Points within reach, itself among them, that make a point part of a cluster's
            core.
        least_change: Of the answer, in standard deviations of the curvature, for a cluster to be
            kept.
        filling: What is put in place of a cluster.
        seed: Of the points, drawn alike for each frame.

    Source: Kim and Canny, Interpretable learning for self-driving cars by visualizing causal
    attention, ICCV 2017; Ester et al., DBSCAN, KDD 1996.
    """

    points: int = 500
    reach_px: float = 6.0
    neighbours: int = 10
    least_change: float = 0.05
    filling: Filling = 'mean'
    seed: int = 0
    name: ClassVar[str] = 'causal_filtering'

    def __call__(
        self, network: Network, frames: Tensor, state: State | None = None
    ) -> Explanation:
        """Explain frames; see ``Explainer``."""
        require_attention(network, self.name)
        clean = clean_pass(network, frames, state)
        attention = clean.output.log_attention.flatten(0, 1).double().exp()  # (N, 10, 20)
        saliency = as_saliency(attention, frames)
        frozen, clusters = Frozen(network), 0
        rows = zip(clean.rows(), saliency.reshape(-1, HEIGHT, WIDTH), attention, strict=True)
        for (picture, state_before), image, cells in rows:
            regions = self.regions(cells.cpu().numpy())
            kept = regions[self._change(frozen, picture, state_before, regions)]
            image[kept.any(0)] += image.max()
            clusters += len(regions)
        forwards = 2.0 + clusters / len(clean.pictures)
        return Explanation(saliency, forwards, clean.output.state)

    def regions(self, attention: Floats) -> NDArray[np.bool_]:
        """Where attention gathers.

        Args:
            attention: (10, 20) float64, sums to 1.

        Returns:
            (K, 80, 160) bool, the hull of each cluster of points.
        """
        points = self._draw(attention)
        numbers = dbscan(points, self.reach_px, self.neighbours)
        regions = np.zeros((numbers.max() + 1, HEIGHT, WIDTH), np.uint8)
        for number, region in enumerate(regions):
            hull = cv2.convexHull(points[numbers == number].astype(np.int32))
            cv2.fillConvexPoly(region, hull, 1)
        return regions.astype(bool)

    def _draw(self, attention: Floats) -> Floats:
        """Points (x, y), (P, 2), in px."""
        rng = np.random.default_rng(self.seed)
        total = attention.cumsum()
        cells = np.searchsorted(total, rng.random(self.points) * total[-1], side='right')
        corners = np.stack([cells % COLUMNS, cells // COLUMNS], 1)
        return (corners + rng.random((self.points, 2))) * (WIDTH // COLUMNS)

    def _change(
        self, frozen: Frozen, picture: Tensor, state: State, regions: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """(K,), which regions change the answer when they are masked."""
        nothing = np.zeros((1, HEIGHT, WIDTH), bool)
        masks = torch.from_numpy(np.concatenate([nothing, regions])[:, None]).to(picture.device)
        with torch.no_grad():
            shown = torch.where(masks, filled(picture, self.filling), picture)
            answers = frozen(shown, *state)
        change = (answers[1:] - answers[0]).abs() / frozen.network.curvature_scale
        return np.asarray((change >= self.least_change).cpu().numpy())


def dbscan(points: Floats, reach: float, neighbours: int) -> NDArray[np.int64]:
    """Cluster points by density.

    Args:
        points: (P, 2) float64.
        reach: Points as near as this are neighbours.
        neighbours: Points within reach, itself among them, that make a point part of a core.

    Returns:
        (P,) int64, each point's cluster from 0 on; −1 for those near no core.

    Source: Ester et al., A density-based algorithm for discovering clusters, KDD 1996.
    """
    near = distance.cdist(points, points) <= reach
    core = near.sum(1) >= neighbours
    numbers = np.full(len(points), -1, np.int64)
    if core.any():
        _, of_core = csgraph.connected_components(near[np.ix_(core, core)], directed=False)
        beside = near[:, core].any(1)
        numbers[beside] = of_core[near[:, core].argmax(1)[beside]]
        numbers[core] = of_core
    return numbers
