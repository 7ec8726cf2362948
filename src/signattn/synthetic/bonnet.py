"""The car's own bonnet at the bottom of the picture."""

import cv2
import numpy as np

from signattn.synthetic.camera_config import CameraConfig
from signattn.synthetic.canvas import Bytes, Canvas

COARSENESS = 8  # px of the picture a pixel of the reflection


class Bonnet:
    """An arched bonnet that hides the road and reflects the sky.

    Attributes:
        cover: (H, W) uint8, 255 where the bonnet hides everything.
    """

    def __init__(self, config: CameraConfig, rng: np.random.Generator) -> None:
        """Draw a bonnet.

        Args:
            config: Size of the picture and of the bonnet; its colour and gloss where given.
            rng: Source of what isn't given.
        """
        height, width = config.height, config.width
        tone = np.full(3, rng.uniform(20, 150)) + rng.uniform(-12, 12, 3)
        gloss = float(rng.uniform(0.2, 0.5))
        self._colour = np.array(config.bonnet_colour or tone, np.float32)
        self._gloss = gloss if config.bonnet_gloss is None else config.bonnet_gloss
        aside = (np.arange(width) - (width - 1) / 2) / (width / 2)
        arch = 1 - 0.3 * aside * aside * np.abs(aside)
        edge = height * (1 - config.bonnet * arch)
        below = np.clip(np.arange(height)[:, None] + 0.5 - edge, 0, 1)
        self.cover = np.round(255 * below).astype(np.uint8)
        self._top = int(np.argmax(self.cover.any(1))) if config.bonnet else height

    def lay(self, seen: Canvas) -> None:
        """Lay the bonnet over a picture (H, W, 4), and hide what its mask has there."""
        if not self.cover[self._top :].size:
            return
        part = seen.picture[self._top :]
        cover = self.cover[self._top :, :, None].astype(np.uint16)
        mirrored = self._reflection(seen.picture, part.shape[0]).astype(np.uint16)
        drawn = (mirrored * cover + part * (255 - cover) + 127) // 255
        part[:] = drawn.astype(np.uint8)
        if seen.mask is not None:
            seen.mask[self.cover > 127] = 0

    def _reflection(self, picture: Bytes, rows: int) -> Bytes:
        """The bonnet (rows, W, 4) in the light of the picture's upper half, upside down."""
        height, width = picture.shape[:2]
        sky = cv2.blur(
            np.ascontiguousarray(picture[: height // 2 : COARSENESS, ::COARSENESS]), (5, 3)
        )
        sky = cv2.resize(sky[::-1], (width, rows), interpolation=cv2.INTER_LINEAR_EXACT)
        light = np.float32(int(sky[..., :3].mean(dtype=np.float64)) / 160)
        # What is seen at a flat angle, far ahead, mirrors more.
        mirror = (self._gloss * np.linspace(1.0, 0.5, rows)).astype(np.float32)[:, None, None]
        own = np.minimum(self._colour * light, 255)
        bonnet = np.zeros((rows, width, 4), np.float32)
        bonnet[..., :3] = own + mirror * (sky[..., :3].astype(np.float32) - own)
        return np.asarray(bonnet.clip(0, 255), np.float32).astype(np.uint8)
