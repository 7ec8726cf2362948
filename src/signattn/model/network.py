"""The network: encoder, attention on the sign, quantised amplitude, LSTM, gated output."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from signattn.model.attention import Attention, Score
from signattn.model.encoder import CELLS, CHANNELS, COLUMNS, ROWS, Encoder
from signattn.model.quantize import attended_sign, quantize

State = tuple[Tensor, Tensor]
"""(h, c), each (B, hidden): the LSTM's state before the next frame."""


class Output(NamedTuple):
    """What the network says about a window of frames.

    Attributes:
        curvature: (B, T) float32, 1/m, left positive.
        attention: (B, T, 10, 20) float32, sums to 1 over the cells.
        state: State to carry into the next window.
    """

    curvature: Tensor
    attention: Tensor
    state: State


_CHOICES = {
    'attention': ('sign',),
    'split': ('halves', 'shared'),
    'score': ('projected', 'bounded', 'bounded_per_cell'),
    'conv2_kernel': (3, 5),
    'encoder_norm': ('none', 'batch'),
}


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides which network it is.

    Attributes:
        hidden: Size of the LSTM's hidden state.
        attention: What α acts on. ``sign``: the paper's method.
        split: Where sign and amplitude come from: ``halves`` of the 64 channels (Fig. 3), or both
            from all of them (``shared``, Eqs. 4 to 9).
        score: Reading of Eq. 11; see ``Attention``.
        temperature: T of the softmax (Eq. 15), above 0.
        bits: The amplitude has 2^bits levels (Eq. 7), 1 to 24.
        range_b: Highest level b; the lowest is 0.
        learn_range: Whether b is trained.
        conv2_kernel: 3 (Table 1) or 5 (Fig. 3).
        encoder_norm: ``none`` (the paper names none) or ``batch``.
        dropout: Probability with which a product x̂ is dropped in training, in [0, 1).
    """

    hidden: int = 1024
    attention: Literal['sign'] = 'sign'
    split: Literal['halves', 'shared'] = 'halves'
    score: Score = 'projected'
    temperature: float = 1.0
    bits: int = 10
    range_b: float = 8.0
    learn_range: bool = False
    conv2_kernel: int = 3
    encoder_norm: Literal['none', 'batch'] = 'none'
    dropout: float = 0.5

    def __post_init__(self) -> None:
        """Refuse values that no network can have."""
        for name, known in _CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f'{name} must be one of {known}, got {getattr(self, name)!r}')
        if not isinstance(self.hidden, int) or self.hidden < 1:
            raise ValueError(f'hidden must be an integer of at least 1, got {self.hidden!r}')
        if not isinstance(self.bits, int) or not 1 <= self.bits <= 24:
            raise ValueError(f'bits must be an integer in 1..24, got {self.bits!r}')
        for name in ('temperature', 'range_b'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f'{name} must be above 0, got {value!r}')
        if not 0 <= self.dropout < 1:
            raise ValueError(f'dropout must be in [0, 1), got {self.dropout!r}')

    @property
    def products(self) -> int:
        """Length of x̂: what the LSTM and the output see of a frame."""
        return CELLS * (CHANNELS // 2 if self.split == 'halves' else CHANNELS)


PRESETS: dict[str, Callable[[], NetworkConfig]] = {
    'paper': NetworkConfig,
    'demo': lambda: NetworkConfig(hidden=64, encoder_norm='batch', dropout=0.0),
}
"""``paper``: the network of the paper. ``demo``: the same, small and normalised."""


class Network(nn.Module):
    """Sign-only quantized attention LSTM.

    In the forward pass α changes nothing, now or later: sign(α x) = sign(x). It is trained by the
    straight-through gradient alone, and says where the network was taught to look, not what the
    answer rests on.

    Source: Tashiro and Awano 2023, Fig. 2 and Eqs. 4 to 15.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Build the network with Xavier initialisation.

        Args:
            config: Which network.
        """
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.conv2_kernel, config.encoder_norm)
        self.attention = Attention(config.hidden, config.score, config.temperature)
        self.lstm = nn.LSTMCell(config.products, config.hidden)
        self.gate = nn.Linear(config.hidden, config.products)  # W_α, b_α
        self.output = nn.Linear(config.products, 1)  # W_β, b_β
        self.initial_h = nn.Linear(CHANNELS, config.hidden)
        self.initial_c = nn.Linear(CHANNELS, config.hidden)
        self.dropout = nn.Dropout(config.dropout)
        self.curvature_scale: Tensor
        self.register_buffer('curvature_scale', torch.tensor(1.0))  # 1/m for an output of 1
        self.range_b = nn.Parameter(torch.tensor(config.range_b), requires_grad=config.learn_range)
        self._initialise()

    def _initialise(self) -> None:
        for name, parameter in self.named_parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
            elif name.endswith(('bias', 'bias_ih', 'bias_hh')):
                nn.init.zeros_(parameter)
        with torch.no_grad():
            hidden = self.config.hidden
            self.lstm.bias_ih[hidden : 2 * hidden] = 1.0  # forget gate: remember at first

    def forward(self, frames: Tensor, state: State | None = None) -> Output:
        """Answer a window of frames, one step after the other.

        Args:
            frames: (B, T, 3, 80, 160) float32, HSV, as ``preprocess.scale`` gives it.
            state: State carried from the frames before; None to begin at the first one.

        Returns:
            Curvature, attention, and the state to carry on.

        Raises:
            ValueError: If frames have another shape.
        """
        if (
            frames.dim() != 5
            or frames.shape[2:] != (3, 8 * ROWS, 8 * COLUMNS)
            or not len(frames[0])
        ):
            raise ValueError(f'frames must be (B, T, 3, 80, 160), got {tuple(frames.shape)}')
        features = self.encoder(frames.flatten(0, 1)).unflatten(
            0, frames.shape[:2]
        )  # (B, T, L, D)
        signed, amplitude = self._split(features)  # (B, T, L, C) each
        projected = self.attention.project(features)  # (B, T, L, K)
        h, c = state if state is not None else self.initial_state(features[:, 0])

        curvatures, attentions = [], []
        # Unbound once: the gradient of indexing in the loop would be as large as all steps.
        per_step = zip(projected.unbind(1), signed.unbind(1), amplitude.unbind(1), strict=True)
        for step_projected, step_signed, step_amplitude in per_step:
            attention = self.attention(step_projected, h)  # (B, L)
            products = attended_sign(step_signed, attention) * step_amplitude  # (B, L, C), Eq. 9
            products = self.dropout(products.flatten(1))  # (B, L·C)
            curvatures.append(self._answer(h, products))
            attentions.append(attention)
            h, c = self.lstm(products, (h, c))
        attention = torch.stack(attentions, 1).unflatten(2, (ROWS, COLUMNS))
        return Output(torch.stack(curvatures, 1), attention, (h, c))

    def initial_state(self, features: Tensor) -> State:
        """State before the first frame, from the mean of its features.

        Args:
            features: (B, L, D) float32, of the first frame.

        Returns:
            (h, c), each (B, hidden).

        Source: Tashiro and Awano 2023, Eqs. 13 and 14; tanh as in Xu et al. 2015.
        """
        mean = features.mean(1)
        return torch.tanh(self.initial_h(mean)), torch.tanh(self.initial_c(mean))

    def _split(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the sign is taken of, and the quantised amplitude (Eqs. 5 and 6)."""
        signed = to_amplitude = features
        if self.config.split == 'halves':
            signed, to_amplitude = features.chunk(2, dim=-1)
        amplitude = functional.softplus(to_amplitude)
        return signed, quantize(amplitude, 0.0, self.range_b, self.config.bits)

    def _answer(self, h: Tensor, products: Tensor) -> Tensor:
        """Curvature from the state before the frame and the frame's products, (B,); Eq. 10."""
        gated = torch.sigmoid(self.gate(h)) * products
        answer: Tensor = self.output(gated)
        return answer.squeeze(-1) * self.curvature_scale
