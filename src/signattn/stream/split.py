"""The network in two halves: what an answer needs, and what can wait until it's out."""

import copy
import math
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from signattn.model import Network, State
from signattn.model.encoder import CELLS, fold_norm
from signattn.model.gating import FLOAT
from signattn.preprocess import SCALE

_QUANTISED = ('sign', 'none_quant')


class Prepared(NamedTuple):
    """Everything of the past that the answer to a frame needs.

    Attributes:
        h: (1, hidden) float32, of the LSTM before the frame.
        c: (1, hidden) float32.
        readout: (1, L·C) float32, 1/m: what a product x̂ of 1 adds to the curvature,
            (σ(W_α h + b_α) ∘ W_β) times the scale. With ``head: kim`` it's the same for all
            frames.
        recurrent: (1, K) float32, W_δ h; (1, 0) where the network has no attention.
    """

    h: Tensor
    c: Tensor
    readout: Tensor
    recurrent: Tensor


class Answer(NamedTuple):
    """The answer to a frame, and what carries the state on behind it.

    Attributes:
        curvature: (1, 1) float32, 1/m.
        attention: (1, L) float32, sums to 1.
        products: (1, L·C) float32, x̂.
        h: (1, hidden) float32: of the LSTM before the frame, and with ``head: kim``, which answers
            from the state behind it, already behind the frame.
        c: (1, hidden) float32, likewise.
    """

    curvature: Tensor
    attention: Tensor
    products: Tensor
    h: Tensor
    c: Tensor


class SplitStep(nn.Module):
    """A network for one stream, cut where the curvature is known.

    Eq. 10 needs the state before the frame only. So σ(W_α h + b_α), W_δ h and the LSTM can be
    computed in the gap between two frames, for all kinds of attention. With ``head: kim`` the
    LSTM stands before the answer, and only W_δ h can wait.

    ``features``, ``answer`` and ``prepare`` in turn give the numbers of the network, to rounding:
    the normalisation and the scale of the input are folded into the convolutions.

    Source: Tashiro and Awano 2023, Eq. 10.
    """

    def __init__(self, network: Network) -> None:
        """Fold what is constant.

        Args:
            network: The network; it's used, not copied, and must not be trained any more.
        """
        super().__init__()
        self.network = network.eval()
        self.kim = network.last is not None
        # A back end may put its own in their places.
        self.encoder: nn.Module = _folded(network.encoder.layers)
        self.lstm: nn.Module = network.lstm
        self.gate: nn.Module = network.gate
        readout, bias = _readout(network)
        self.readout: Tensor
        self.bias: Tensor
        self.register_buffer('readout', readout)  # (1, L·C), W_β times the scale
        self.register_buffer('bias', bias)  # (1,)
        self.from_behind: Tensor
        self.register_buffer('from_behind', _from_behind(network))  # (1, hidden), of kim
        step = network.range_b.detach() / (2**network.config.bits - 1)
        self.step: Tensor
        self.register_buffer('step', step)  # from one level of the amplitude to the next

    def features(self, frames: Tensor) -> Tensor:
        """Features of each cell.

        Args:
            frames: (B, 80, 160, 3) uint8, HSV.

        Returns:
            (B, L, D) float32.
        """
        levels = frames.permute(0, 3, 1, 2).float()  # channels last
        features: Tensor = self.encoder(levels)  # (B, D, 10, 20)
        return features.flatten(2).transpose(1, 2)

    def begin(self, features: Tensor) -> Prepared:
        """What precedes the first frame, which depends on that frame itself.

        Args:
            features: (1, L, D) float32, of the first frame.

        Returns:
            What its answer needs.

        Source: Tashiro and Awano 2023, Eqs. 13 and 14.
        """
        attention = self.network.attention
        projected = features if attention is None else attention.project(features)
        openness = self.network.first_openness(projected)
        return self._ready(*self.network.initial_state(features, openness))

    def answer(self, features: Tensor, prepared: Prepared) -> Answer:
        """Answer a frame.

        Args:
            features: (1, L, D) float32.
            prepared: What was prepared behind the frame before.

        Returns:
            The answer, and what ``prepare`` needs.
        """
        log_attention = self._attend(features, prepared.recurrent)
        products = self._products(features, log_attention)
        h, c = prepared.h, prepared.c
        curvature = functional.linear(products, prepared.readout, self.bias)
        if self.kim:
            h, c = self.lstm(products, (h, c))
            curvature = curvature + functional.linear(h, self.from_behind)
        return Answer(curvature, log_attention.exp(), products, h, c)

    def prepare(self, answer: Answer) -> Prepared:
        """Carry the state on.

        Args:
            answer: What was answered.

        Returns:
            What the answer to the next frame needs.
        """
        state: State = (answer.h, answer.c)
        if not self.kim:
            state = self.lstm(answer.products, state)
        return self._ready(*state)

    def in_levels(self, products: Tensor) -> Tensor:
        """Products to be looked at.

        Args:
            products: (1, L·C) float32.

        Returns:
            (L, C) float32, in levels of the amplitude where the network has them.
        """
        by_cell = products.view(CELLS, -1)
        return by_cell if self.network.config.attention in FLOAT else by_cell / self.step

    def _ready(self, h: Tensor, c: Tensor) -> Prepared:
        attention = self.network.attention
        recurrent = h[:, :0] if attention is None else attention.from_state(h)
        if self.kim:
            return Prepared(h, c, self.readout, recurrent)
        return Prepared(h, c, torch.sigmoid(self.gate(h)) * self.readout, recurrent)

    def _attend(self, features: Tensor, recurrent: Tensor) -> Tensor:
        """Log α, (1, L); uniform where the network has no attention."""
        attention = self.network.attention
        if attention is None:
            return features.new_full(features.shape[:2], -math.log(CELLS))
        if attention.to_score is None:
            return attention.attend(attention.project(features), recurrent)
        # The same, with the state's part added where the bias is.
        projection = attention.from_features
        inner = functional.linear(features, projection.weight, projection.bias + recurrent[0])
        score: Tensor = attention.to_score(torch.tanh(inner)).squeeze(-1)
        return torch.log_softmax(score / attention.temperature, -1)

    def _products(self, features: Tensor, log_attention: Tensor) -> Tensor:
        """x̂, (1, L·C)."""
        config = self.network.config
        if config.attention not in _QUANTISED:
            signed, amplitude = self.network.split(features)
            products: Tensor = self.network.gating(signed, amplitude, log_attention)
            return products.flatten(1)
        # The same without what only training needs.
        signed = to_amplitude = features
        if config.split == 'halves':
            signed, to_amplitude = features.chunk(2, dim=-1)
        clipped = functional.softplus(to_amplitude).minimum(self.network.range_b)
        amplitude = torch.round(clipped / self.step) * self.step
        return torch.where(signed >= 0, amplitude, -amplitude).flatten(1)


@torch.no_grad()
def _folded(layers: nn.Sequential) -> nn.Sequential:
    """Convolutions without normalisation behind, that take levels of 0 to 255."""
    folded = fold_norm(copy.deepcopy(layers).double().eval())
    weight = cast('Tensor', folded[0].weight)
    weight /= weight.new_tensor(SCALE)[:, None, None]  # padding is 0 on both scales
    whole = folded.float().requires_grad_(requires_grad=False)
    for parameter in whole.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return whole


@torch.no_grad()
def _readout(network: Network) -> tuple[Tensor, Tensor]:
    """What a product of 1 adds to the curvature, (1, L·C), and the curvature of none, (1,)."""
    weight: Tensor = network.output.weight
    bias: Tensor = network.output.bias
    if network.last is not None:
        weight = network.last.weight @ weight
        bias = network.last.weight @ (bias + network.gate.bias) + network.last.bias
    return weight * network.curvature_scale, bias * network.curvature_scale


@torch.no_grad()
def _from_behind(network: Network) -> Tensor:
    """What the state behind a frame adds to the curvature: (1, hidden) of ``kim``, else (1, 0)."""
    if network.last is None:
        return network.gate.weight.new_zeros(1, 0)
    return network.last.weight @ network.gate.weight * network.curvature_scale
