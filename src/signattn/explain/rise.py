"""RISE: how the answer goes with what is seen through random masks."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from signattn.explain.clean import BATCH, Frozen, clean_pass
from signattn.explain.explainer import Explanation, as_saliency
from signattn.explain.filling import Filling, filled, mixed
from signattn.model import Network, State
from signattn.preprocess import HEIGHT, WIDTH


@dataclass(frozen=True)
class Rise:
    """Covariance of the answer with the mask, at each pixel.

    The original sums the masks weighed by the answer; taking the means away leaves the order of
    that sum's expectation and removes most of its noise, for an answer that isn't near 0.

    Attributes:
        masks: How many.
        side_px: Size of a mask's squares, px.
        keep: Probability that a square is kept.
        filling: What is put in place of pixels.
        seed: Of the masks, which are the same for each frame.

    Source: Petsiuk et al., RISE, BMVC 2018.
    """

    masks: int = 1000
    side_px: int = 16
    keep: float = 0.5
    filling: Filling = 'mean'
    seed: int = 0
    name: ClassVar[str] = 'rise'

    def __call__(
        self, network: Network, frames: Tensor, state: State | None = None
    ) -> Explanation:
        """Explain frames; see ``Explainer``."""
        clean = clean_pass(network, frames, state)
        frozen, masks = Frozen(network), self.draw().to(frames.device)
        centred = masks - masks.mean(0)
        maps = []
        with torch.no_grad():
            for picture, (h, c) in clean.rows():
                empty = filled(picture, self.filling)
                answers = torch.cat(
                    [frozen(mixed(empty, picture, part), h, c) for part in masks.split(BATCH)]
                )
                change = answers - answers[0]  # exactly 0 where nothing moves the answer
                maps.append(torch.tensordot(change - change.mean(), centred, 1) / len(masks))
        saliency = as_saliency(torch.stack(maps), frames)
        return Explanation(saliency, 1.0 + self.masks, clean.output.state)

    def draw(self) -> Tensor:
        """Masks of squares with soft borders, shifted at random.

        Returns:
            (masks, 80, 160) float32 in [0, 1], 1 where the picture is seen.
        """
        rng, side = np.random.default_rng(self.seed), self.side_px
        rows, columns = -(-HEIGHT // side) + 1, -(-WIDTH // side) + 1
        kept = rng.random((self.masks, 1, rows, columns)) < self.keep
        shifts = rng.integers(0, side, (self.masks, 2)).tolist()
        masks = torch.empty(self.masks, HEIGHT, WIDTH)
        for index, (squares, (y, x)) in enumerate(zip(kept, shifts, strict=True)):
            small = torch.from_numpy(squares[None].astype(np.float32))
            large = functional.interpolate(small, scale_factor=side, mode='bilinear')
            masks[index] = large[0, 0, y : y + HEIGHT, x : x + WIDTH]
        return masks
