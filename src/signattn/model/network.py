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
from signattn.model.gating import ACTING, BUDGETED, FLOAT, KINDS, WITHOUT, Gating, Kind
from signattn.model.quantize import quantize
from signattn.model.recurrence import State, run_lstm, run_lstm_stepwise


class Output(NamedTuple):
    """What the network says about a window of frames.

    Attributes:
        curvature: (B, T) float32, 1/m, left positive.
        attention: (B, T, 10, 20) float32, sums to 1 over the cells; uniform where the network
            has none.
        state: State to carry into the next window.
        log_attention: (B, T, 10, 20) float32, exact also where the attention underflows.
        before: (h, c), each (B, T, hidden) float32: the state before each frame.
    """

    curvature: Tensor
    attention: Tensor
    state: State
    log_attention: Tensor
    before: State


_CHOICES = {
    'attention': KINDS,
    'head': ('gated', 'kim'),
    'split': ('halves', 'shared'),
    'score': ('projected', 'bounded', 'bounded_per_cell'),
    'conv2_kernel': (3, 5),
    'encoder_norm': ('none', 'batch'),
    'readout_init': ('xavier', 'zero'),
}
_QUANTISED = tuple(kind for kind in KINDS if kind not in FLOAT)
_ATTENDING = tuple(kind for kind in KINDS if kind not in WITHOUT)
_USERS: dict[str, tuple[Kind, ...]] = {
    'split': _QUANTISED,
    'bits': _QUANTISED,
    'range_b': _QUANTISED,
    'learn_range': _QUANTISED,
    'score': _ATTENDING,
    'temperature': _ATTENDING,
    'budget': BUDGETED,
    'threshold': ('gate', 'ramp'),
    'gain': ('stochastic',),
}
"""Which kinds of attention look at an option."""


@dataclass(frozen=True)
class NetworkConfig:
    """Everything that decides which network it is.

    Attributes:
        hidden: Size of the LSTM's hidden state.
        attention: What α does to the features; see ``Gating``. ``sign``: the paper's method.
        head: ``gated``: Eq. 10, from the state before the frame. ``kim``: from the state behind
            it and the products, as in the release that goes with Kim and Canny 2017.
        budget: Open cells of ``topk`` and ``soft_topk``, 1 to 200.
        threshold: τ of ``gate`` and ``ramp``, on α times the number of cells.
        gain: Of ``stochastic``: P(+1) = σ(gain · αL · x).
        split: Where sign and amplitude come from: ``halves`` of the 64 channels (Fig. 3), or both
            from all of them (``shared``, Eqs. 4 to 9).
        score: Reading of Eq. 11; see ``Attention``.
        temperature: T of the softmax (Eq. 15), above 0.
        bits: The amplitude has 2^bits levels (Eq. 7), 1 to 24.
        range_b: Highest level b; the lowest is 0.
        learn_range: Whether b is trained.
        conv2_kernel: 3 (Table 1) or 5 (Fig. 3).
        encoder_norm: ``none`` (the paper names none) or ``batch``.
        readout_init: First weights of W_α and W_β: ``xavier`` (the paper), or ``zero``. Drawn at
            random they leave noise in the sum over thousands of products that few steps of
            training don't take out again.
        dropout: Probability with which a product x̂ is dropped in training, in [0, 1).
    """

    hidden: int = 1024
    attention: Kind = 'sign'
    head: Literal['gated', 'kim'] = 'gated'
    budget: int = 50
    threshold: float = 4.0
    gain: float = 4.0
    split: Literal['halves', 'shared'] = 'halves'
    score: Score = 'projected'
    temperature: float = 1.0
    bits: int = 10
    range_b: float = 8.0
    learn_range: bool = False
    conv2_kernel: int = 3
    encoder_norm: Literal['none', 'batch'] = 'none'
    readout_init: Literal['xavier', 'zero'] = 'xavier'
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
        if not isinstance(self.budget, int) or not 1 <= self.budget <= CELLS:
            raise ValueError(f'budget must be an integer in 1..{CELLS}, got {self.budget!r}')
        for name in ('temperature', 'range_b', 'threshold', 'gain'):
            value = getattr(self, name)
            if not (math.isfinite(value) and value > 0):
                raise ValueError(f'{name} must be above 0, got {value!r}')
        if not 0 <= self.dropout < 1:
            raise ValueError(f'dropout must be in [0, 1), got {self.dropout!r}')
        self._refuse_contradictions()

    def _refuse_contradictions(self) -> None:
        """Refuse options that the chosen attention doesn't look at."""
        for name, users in _USERS.items():
            value, default = getattr(self, name), self.__dataclass_fields__[name].default
            if self.attention not in users and value != default:
                raise ValueError(
                    f'{name} must be left at {default!r} with attention {self.attention!r}, which '
                    f'has no use for it, got {value!r}'
                )

    @property
    def channels(self) -> int:
        """Products of a cell."""
        if self.attention == 'soft':
            return CHANNELS
        return CHANNELS // 2 if self.split == 'halves' else CHANNELS

    @property
    def products(self) -> int:
        """Length of x̂: what the LSTM and the output see of a frame."""
        return CELLS * self.channels


PRESETS: dict[str, Callable[[], NetworkConfig]] = {
    'paper': NetworkConfig,
    'demo': lambda: NetworkConfig(
        hidden=64, encoder_norm='batch', readout_init='zero', dropout=0.0
    ),
}
"""``paper``: the network of the paper. ``demo``: the same, small and normalised."""


class Network(nn.Module):
    """Sign-only quantized attention LSTM, its baselines and what goes beyond it.

    With ``attention: sign`` α changes nothing in the forward pass, now or later: sign(α x) =
    sign(x). It is trained by the straight-through gradient alone, and says where the network was
    taught to look, not what the answer rests on.

    Source: Tashiro and Awano 2023, Fig. 2 and Eqs. 4 to 15.
    """

    def __init__(self, config: NetworkConfig) -> None:
        """Build the network, initialised as the configuration says.

        Args:
            config: Which network.
        """
        super().__init__()
        self.config = config
        self.encoder = Encoder(config.conv2_kernel, config.encoder_norm)
        self.attention = (
            Attention(config.hidden, config.score, config.temperature)
            if config.attention in _ATTENDING
            else None
        )
        self.gating = Gating(config.attention, config.budget, config.threshold, config.gain)
        self.lstm = nn.LSTMCell(config.products, config.hidden)
        width = 1 if config.head == 'gated' else config.hidden
        state_width = config.products if config.head == 'gated' else config.hidden
        self.gate = nn.Linear(config.hidden, state_width)  # W_α, b_α
        self.output = nn.Linear(config.products, width)  # W_β, b_β
        self.last = nn.Linear(config.hidden, 1) if config.head == 'kim' else None
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
        if self.config.readout_init == 'zero':
            nn.init.zeros_(self.gate.weight)
            nn.init.zeros_(self.output.weight)
        with torch.no_grad():
            hidden = self.config.hidden
            self.lstm.bias_ih[hidden : 2 * hidden] = 1.0  # forget gate: remember at first

    def forward(
        self, frames: Tensor, state: State | None = None, attention: Tensor | None = None
    ) -> Output:
        """Answer a window of frames, one step after the other.

        Args:
            frames: (B, T, 3, 80, 160) float32, HSV, as ``preprocess.scale`` gives it.
            state: State carried from the frames before; None to begin at the first one.
            attention: (B, T, 10, 20) float32, above 0, sums to 1: taken instead of the network's
                own, to see what it changes.

        Returns:
            Curvature, attention, and the state to carry on.

        Raises:
            ValueError: If frames or attention have another shape.
        """
        if (
            frames.dim() != 5
            or frames.shape[2:] != (3, 8 * ROWS, 8 * COLUMNS)
            or not len(frames[0])
        ):
            raise ValueError(f'frames must be (B, T, 3, 80, 160), got {tuple(frames.shape)}')
        # Half precision would flip signs.
        with torch.autocast(frames.device.type, enabled=False):
            features = self.encoder(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        return self.answer(features, state, attention)

    def answer(
        self, features: Tensor, state: State | None = None, attention: Tensor | None = None
    ) -> Output:
        """Everything behind the encoder.

        Args:
            features: (B, T, L, D) float32.
            state: As in ``forward``.
            attention: As in ``forward``.

        Returns:
            As ``forward``.

        Raises:
            ValueError: If attention has another shape.
        """
        shape = (*features.shape[:2], ROWS, COLUMNS)
        if attention is not None and attention.shape != shape:
            raise ValueError(f'attention must be {shape}, got {tuple(attention.shape)}')
        signed, amplitude = self.split(features)  # (B, T, L, C) each
        projected = (
            self.attention.project(features) if self.attention else features
        )  # (B, T, L, K)
        known = self._known(projected, attention)
        if state is None:
            first = None if known is None else known[:, 0]
            openness = self.first_openness(projected[:, 0], first)
            state = self.initial_state(features[:, 0], openness)
        if known is None:
            log_attention = list[Tensor]()
            steps = zip(projected.unbind(1), signed.unbind(1), amplitude.unbind(1), strict=True)

            def make(h: Tensor) -> Tensor:
                step_projected, step_signed, step_amplitude = next(steps)
                log_attention.append(self._attend(step_projected, h))
                return self._products(step_signed, step_amplitude, log_attention[-1])

            products, hidden, memory, state = run_lstm_stepwise(self.lstm, make, state, shape[:2])
            known = torch.stack(log_attention, 1)
        else:
            products = self._products(signed, amplitude, known)  # (B, T, L·C)
            hidden, memory, state = run_lstm(self.lstm, products, state)
            if attention is None:
                known = self._attend(projected, hidden[:, :-1])
        # Contiguous: products of views differ in the last bit with where the weights lie.
        before, behind = hidden[:, :-1].contiguous(), hidden[:, 1:].contiguous()
        curvature = self._answer(before, behind, products)
        known = known.unflatten(2, (ROWS, COLUMNS))
        return Output(curvature, known.exp(), state, known, (before, memory[:, :-1]))

    def answer_each(self, features: Tensor, state: State, opened: Tensor | None = None) -> Tensor:
        """Answer single frames, each from a state of its own; nothing is carried on.

        Of the network behind the encoder it computes only what the answer needs. With ``sign`` α
        has no part in the gradient either, which is that of the same function without α.

        Args:
            features: (N, L, D) float32.
            state: (h, c) before the frames, each (N, hidden); (1, hidden) if it is one for all.
            opened: What ``opened`` gives of h, if it is there already.

        Returns:
            (N,) float32, curvature in 1/m, to rounding that of ``answer``.
        """
        signed, amplitude = self.split(features)  # (N, L, C) each
        if self.attention is None or self.config.attention == 'sign':
            log_attention = features.new_zeros(features.shape[:2])
        else:
            log_attention = self._attend(self.attention.project(features), state[0])
        products = self._products(signed, amplitude, log_attention)  # (N, L·C)
        h, c = (part.expand(len(features), -1) for part in state)
        # Of one state for all the gate is computed once.
        behind = h if self.last is None else self.lstm(products, (h, c))[0]
        return self._answer(state[0], behind, products, opened)

    def opened(self, h: Tensor) -> Tensor | None:
        """How far each product is let through to the answer.

        Args:
            h: (..., hidden) float32, before a frame.

        Returns:
            (..., L·C) float32, in (0, 1); None with the head ``kim``, which has no such gate.

        Source: Tashiro and Awano 2023, σ(W_α h_{t−1} + b_α) of Eq. 10.
        """
        return torch.sigmoid(self.gate(h)) if self.last is None else None

    def initial_state(self, features: Tensor, openness: Tensor | None = None) -> State:
        """State before the first frame, from the mean of its features.

        Args:
            features: (B, L, D) float32, of the first frame.
            openness: (B, L) float32, weight of each cell in the mean; all alike if not given.

        Returns:
            (h, c), each (B, hidden).

        Source: Tashiro and Awano 2023, Eqs. 13 and 14; tanh as in Xu et al. 2015.
        """
        if openness is None:
            mean = features.mean(1)
        else:
            weight = openness[..., None]  # (B, L, 1)
            mean = (features * weight).sum(1) / weight.sum(1).clamp(min=1e-6)
        return torch.tanh(self.initial_h(mean)), torch.tanh(self.initial_c(mean))

    def first_openness(
        self, projected: Tensor, log_attention: Tensor | None = None
    ) -> Tensor | None:
        """Where α acts, closed cells must not speak through the first state either.

        Args:
            projected: (B, L, K) float32, of the first frame; not looked at where α doesn't act.
            log_attention: (B, L) float32, α of the first frame; that of an empty state by default.

        Returns:
            (B, L) float32, weight of each cell; None if all are alike.
        """
        if self.config.attention not in ACTING:
            return None
        if log_attention is None:
            nothing = projected.new_zeros(len(projected), self.config.hidden)
            log_attention = self._attend(projected, nothing)
        return self.gating.openness(log_attention)

    def _known(self, projected: Tensor, attention: Tensor | None) -> Tensor | None:
        """Log α, (B, T, L), where it needn't be known of one step after the other; else None.

        Without a gradient the paper's α has no part in the products: any will do, and the maps
        follow from the states.
        """
        if attention is not None:
            return attention.flatten(2).log()
        inert = self.config.attention == 'sign' and not torch.is_grad_enabled()
        if self.attention is None or inert:
            return projected.new_full(projected.shape[:3], -math.log(CELLS))
        return None

    def _attend(self, projected: Tensor, h: Tensor) -> Tensor:
        """Log α, (..., L); uniform where the network has no attention."""
        if self.attention is None:
            return projected.new_full(projected.shape[:-1], -math.log(CELLS))
        log_attention: Tensor = self.attention(projected, h)
        return log_attention

    def _products(self, signed: Tensor, amplitude: Tensor, log_attention: Tensor) -> Tensor:
        """x̂, (..., L·C), of Eq. 9."""
        products: Tensor = self.gating(signed, amplitude, log_attention).flatten(-2)
        dropped: Tensor = self.dropout(products)
        return dropped

    def split(self, features: Tensor) -> tuple[Tensor, Tensor]:
        """What the sign is taken of, and the quantised amplitude; of ``FLOAT`` the features.

        Args:
            features: (..., D) float32.

        Returns:
            (..., C) float32 each.

        Source: Tashiro and Awano 2023, Eqs. 5 and 6.
        """
        if self.config.attention in FLOAT:
            chosen = features[..., : self.config.channels]
            return chosen, chosen
        signed = to_amplitude = features
        if self.config.split == 'halves':
            signed, to_amplitude = features.chunk(2, dim=-1)
        amplitude = functional.softplus(to_amplitude)
        return signed, quantize(amplitude, 0.0, self.range_b, self.config.bits)

    def _answer(
        self, before: Tensor, behind: Tensor, products: Tensor, opened: Tensor | None = None
    ) -> Tensor:
        """Curvature, (B, T), from the states before and behind the frames and their products."""
        if self.last is None:
            opened = torch.sigmoid(self.gate(before)) if opened is None else opened
            answer: Tensor = self.output(opened * products)  # Eq. 10
        else:
            mixed = self.gate(self.dropout(behind)) + self.output(products)
            answer = self.last(self.dropout(mixed))
        return answer.squeeze(-1) * self.curvature_scale
