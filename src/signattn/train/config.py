"""The recipe of a training."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from signattn.augment import AugmentConfig
from signattn.drive import Split
from signattn.model import NetworkConfig

_ABOVE_0: tuple[str, Callable[[float], bool]] = ('above 0', lambda value: value > 0)
_AT_LEAST_0: tuple[str, Callable[[float], bool]] = ('at least 0', lambda value: value >= 0)
_AT_LEAST_1: tuple[str, Callable[[float], bool]] = ('at least 1', lambda value: value >= 1)
_LIMITS: dict[str, tuple[str, Callable[[float], bool]]] = {
    **dict.fromkeys(('epochs', 'batch', 'window', 'sequence', 'keep'), _AT_LEAST_1),
    'pictures': _AT_LEAST_0,
    'pictures_batch': _AT_LEAST_1,
    **dict.fromkeys(('learning_rate', 'wide_factor'), _ABOVE_0),
    'anneal': ('in (0, 1]', lambda value: 0 < value <= 1),
    **dict.fromkeys(('clip_norm', 'target_lead_s', 'distill'), _AT_LEAST_0),
    **dict.fromkeys(('patience', 'workers', 'save_batches'), _AT_LEAST_0),
    'balance': ('in [0, 1]', lambda value: 0 <= value <= 1),
    'ema': ('in [0, 1)', lambda value: 0 <= value < 1),
}


@dataclass(frozen=True)
class TrainConfig:
    """A recipe.

    Attributes:
        name: Name of the model.
        network: Which network.
        split: Which part of each drive in the first data folder is kept apart; the drives of
            other folders are used whole, and never validated on. ``end`` is used to validate and
            to choose the best epoch; ``blocks`` is a test that nothing may look at, so the last
            epoch's network is kept, unless ``split.validate`` sets another fold aside for that.
        augment: How sequences are varied; those of other data folders than the first may take
            light and dark from its pictures (``augment.fourier``).
        pictures: Passes over the data ahead of the others, on single pictures, each with a fresh
            state: pictures from everywhere teach the convolutions several times as fast as
            sequences of pictures that are nearly alike. The encoder then stays as it is.
        pictures_batch: Pictures side by side.
        epochs: Passes over the data.
        batch: Sequences side by side, on all devices together.
        window: Frames through which the gradient flows back.
        sequence: Frames over which the state is carried; a multiple of ``window``, and with
            ``sequence`` = ``window`` every window begins afresh.
        target_lead_s: s; the curvature that is learned is the one driven that much later.
        balance: How far rare curvatures are drawn more often: 0 as they come, 1 all alike.
        shares: Share of each data folder in every batch; as they come if not given.
        learning_rate: Of Adam, at the start.
        wide_factor: Factor on the learning rate of the weights that sum over all products (into
            the LSTM and the output). Adam moves every weight alike, so their sums of thousands
            move thousands of times as far as a weight: below 1 the rest can learn faster.
        schedule: ``constant``, or ``cosine`` down to 0.
        loss: On the scaled curvature.
        clip_norm: Largest norm of the gradient; 0 for no limit.
        ema: Decay of the running average of the weights, which is then what is validated and
            kept; 0 for none.
        patience: Epochs without a better validation after which the training ends; 0 for never.
        start: Checkpoint whose weights are the first ones; what it lacks (a score, say) is drawn.
        distill: Weight of the distance to the answers of ``start``, beside the labels.
        freeze_encoder: Leave the convolutions and their statistics as ``start`` has them: what
            stands behind them learns several times as fast.
        objective: ``curvature``, or ``faithful``: train the score alone for a map that is
            sufficient and necessary; needs ``start``.
        anneal: Share of the steps over which budget, threshold or gain reach their own values.
        precision: ``fp32``, or ``bf16``: all but the encoder, whose signs would flip.
        compile: Compile the encoder: slow to begin, faster then.
        seed: Of weights, order, dropout and augmentation; makes a CPU run repeatable.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        workers: Threads that prepare batches ahead; 0 for none. They don't change the result.
        save_batches: Batches from one saved state to the next; 0 for one an epoch.
        keep: Saved states that are kept.
    """

    name: str = 'model'
    network: NetworkConfig = field(default_factory=NetworkConfig)
    split: Split = field(default_factory=Split)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    pictures: int = 0
    pictures_batch: int = 64
    epochs: int = 10
    batch: int = 16
    window: int = 20
    sequence: int = 100
    target_lead_s: float = 0.0
    balance: float = 0.0
    shares: tuple[float, ...] | None = None
    learning_rate: float = 1e-4
    wide_factor: float = 1.0
    schedule: Literal['constant', 'cosine'] = 'constant'
    loss: Literal['l1', 'huber'] = 'l1'
    clip_norm: float = 0.0
    ema: float = 0.0
    patience: int = 0
    start: Path | None = None
    distill: float = 0.0
    freeze_encoder: bool = False
    objective: Literal['curvature', 'faithful'] = 'curvature'
    anneal: float = 0.6
    precision: Literal['fp32', 'bf16'] = 'fp32'
    compile: bool = False
    seed: int = 0
    device: str = 'auto'
    workers: int = 0
    save_batches: int = 0
    keep: int = 2

    def __post_init__(self) -> None:
        """Refuse what can't be trained."""
        for name, (expected, holds) in _LIMITS.items():
            value = getattr(self, name)
            if not holds(value):
                raise ValueError(f'{name} must be {expected}, got {value}')
        if self.sequence % self.window:
            raise ValueError(
                f'sequence must be a multiple of window {self.window}, got {self.sequence}'
            )
        if self.shares is not None and not (min(self.shares) >= 0 < sum(self.shares)):
            raise ValueError(f'shares must be at least 0 and not all 0, got {self.shares}')
        self._refuse_contradictions()

    def first_part(self) -> 'TrainConfig':
        """The recipe of the passes over single pictures."""
        return replace(
            self,
            pictures=0,
            epochs=self.pictures,
            batch=self.pictures_batch,
            window=1,
            sequence=1,
            patience=0,
        )

    def second_part(self, first: Path) -> 'TrainConfig':
        """The recipe of what follows.

        Args:
            first: Checkpoint of the first part.
        """
        return replace(self, pictures=0, start=first, freeze_encoder=True)

    def _refuse_contradictions(self) -> None:
        for name in ('distill', 'freeze_encoder'):
            if self.pictures and getattr(self, name):
                raise ValueError(
                    f'pictures must be 0 with {name}, which goes on from another network, '
                    f'got {self.pictures}'
                )
        if self.pictures and self.objective == 'faithful':
            raise ValueError(
                'pictures must be 0 with objective: faithful, which leaves all but the score as '
                f'it is, got {self.pictures}'
            )
        if self.objective == 'faithful' and self.network.attention != 'sign':
            raise ValueError(
                "network.attention must be 'sign' with objective: faithful, since the score may "
                f'change nothing but the map, got {self.network.attention!r}'
            )
        if self.patience and self.objective == 'faithful':
            raise ValueError(
                'patience must be 0 with objective: faithful, whose answers stay the same, '
                f'got {self.patience}'
            )
        if self.patience and self.split.kind != 'end' and not self.split.validate:
            raise ValueError(
                'patience must be 0 where no part validates, got '
                f'{self.patience}: set split.validate'
            )
