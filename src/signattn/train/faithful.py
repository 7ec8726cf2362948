"""Training the score alone, for a map that is sufficient and necessary.

With ``attention: sign`` α changes nothing in the forward pass. So the score can be trained for
what a map should be, with everything else frozen: the answers stay the same to the bit, and only
the truth of the map rises.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from signattn.model import Checkpoint, Network, NetworkConfig, State
from signattn.model.encoder import fold_norm
from signattn.model.gating import standardised

LEAST, MOST = 0.05, 0.5
"""Share of the picture that is kept, or taken away."""
SOFTNESS = 0.25
"""Of the mask's border, in standard deviations of the logits."""
ENOUGH = 1.0
"""Change of the answer, in standard deviations of the curvature, beyond which more is no gain."""

_PART = 16
"""Frames that are looked at together."""
_SAME_ANSWERS = ('sign', 'none_quant')


def silent_twin(network: Network) -> Network:
    """The same function without a score, frozen, whose gradient to the picture isn't weighed by α.

    Args:
        network: With ``attention: sign``.

    Returns:
        A network with ``attention: none_quant`` and the same weights, in evaluation mode, its
        normalisation folded into the convolutions.
    """
    twin = Network(_without_score(network.config)).to(network.curvature_scale.device)
    weights = network.state_dict()
    twin.load_state_dict({name: weights[name] for name in twin.state_dict()})
    twin.eval()
    twin.encoder.layers = fold_norm(twin.encoder.layers)
    return twin.requires_grad_(requires_grad=False)


def _without_score(config: NetworkConfig) -> NetworkConfig:
    return dataclasses.replace(config, attention='none_quant', score='projected', temperature=1.0)


def refuse_other_answers(start: Checkpoint, config: NetworkConfig) -> None:
    """Refuse a start whose answers the network with its weights would not give.

    Args:
        start: Whose weights are taken.
        config: The network that takes them, with ``attention: sign``.

    Raises:
        ValueError: If the start is of another kind, or of other options than those of the score
            and of training.
    """
    theirs, other = start.network.config, ['attention']
    if theirs.attention in _SAME_ANSWERS:
        ours, theirs = (
            dataclasses.replace(
                _without_score(each), dropout=0.0, readout_init='zero', learn_range=False
            )
            for each in (config, theirs)
        )
        names = [option.name for option in dataclasses.fields(ours)]
        other = [name for name in names if getattr(ours, name) != getattr(theirs, name)]
    if other:
        raise ValueError(
            'start must be of attention sign or none_quant and else as the network, to have its '
            f'answers (objective: faithful), got {start.name} with '
            + ', '.join(f'{name} {getattr(theirs, name)}' for name in other)
        )


def freeze_all_but_score(network: Network) -> None:
    """Let nothing but the score learn.

    Args:
        network: With ``attention: sign``; changed.

    Raises:
        ValueError: If the network has no score.
    """
    if network.attention is None:
        raise ValueError('network must have a score to be trained for its map, got none')
    network.requires_grad_(requires_grad=False)
    network.attention.requires_grad_(requires_grad=True)


def faithful_loss(
    network: Network,
    twin: Network,
    frames: Tensor,
    state: State | None,
    generator: torch.Generator,
) -> tuple[Tensor, State]:
    """How far the map is from being sufficient and necessary.

    The frames are shown once with all but the most attended part filled, and once with that part
    filled. The first should change the answer by nothing, the second by ``ENOUGH``. The state
    before each frame is the one of the unmasked frames.

    Args:
        network: In evaluation mode, the score alone learning.
        twin: Of ``silent_twin``.
        frames: (B, T, 3, 80, 160) float32.
        state: Carried from the frames before.
        generator: Draws the shares and the fillings, on the CPU.

    Returns:
        () float32, mean over the frames, in standard deviations of the curvature.
        The state to carry on.
    """
    clean, attention, before, state = _clean_pass(network, frames, state)
    mask = soft_mask(attention, _shares(attention, generator))  # (B, T, 1, 80, 160)
    filled = fillings(frames, generator)

    def of_frames(part: slice, shown: Tensor) -> Tensor:
        picture, filling = (each.flatten(0, 1)[part] for each in (frames, filled))

        def change(masked: Tensor) -> Tensor:
            answer = twin.answer_each(twin.encoder(masked), (before[0][part], before[1][part]))
            return (answer - clean.flatten()[part]).abs() / network.curvature_scale

        lost = ENOUGH - change(picture + shown * (filling - picture))
        return change(filling + shown * (picture - filling)) + lost.clamp(min=0)

    loss: Tensor = _MeanInParts.apply(  # type: ignore[no-untyped-call]
        mask.flatten(0, 1), of_frames
    )
    return loss, state


class _MeanInParts(torch.autograd.Function):
    """The mean over frames of a function of each, with its gradient, a few frames at a time.

    What a few frames leave for the gradient stays in a processor's caches.
    """

    @staticmethod
    def forward(ctx: Any, values: Tensor, function: Callable[[slice, Tensor], Tensor]) -> Tensor:
        """The mean of ``function(part, values[part])`` over values (N, …)."""
        total, gradient = values.new_zeros(()), torch.zeros_like(values)
        for start in range(0, len(values), _PART):
            part = slice(start, start + _PART)
            with torch.set_grad_enabled(ctx.needs_input_grad[0]):
                given = values[part].detach().requires_grad_(ctx.needs_input_grad[0])
                summed = function(part, given).sum()
            if ctx.needs_input_grad[0]:
                (gradient[part],) = torch.autograd.grad(summed, given)
            total += summed.detach()
        ctx.save_for_backward(gradient / len(values))
        return total / len(values)

    @staticmethod
    def backward(ctx: Any, outer: Tensor) -> tuple[Tensor, None]:
        """The gradient that was computed with the mean."""
        (gradient,) = ctx.saved_tensors
        return outer * gradient, None


def soft_mask(attention: Tensor, share: Tensor) -> Tensor:
    """Mask of the most attended share of each picture, with a soft border.

    Args:
        attention: (B, T, 10, 20) float32.
        share: (B, T, 1) float32, of the cells, in (0, 1).

    Returns:
        (B, T, 1, 80, 160) float32 in [0, 1], 1 where attended.
    """
    scores = standardised(attention.clamp(min=1e-30).log().flatten(2))  # (B, T, L)
    ordered = scores.detach().sort(-1, descending=True).values
    place = (share * scores.shape[-1]).long().clamp(max=scores.shape[-1] - 1)
    border = ordered.gather(-1, place)
    cells = torch.sigmoid((scores - border) / SOFTNESS).view(-1, 1, *attention.shape[2:])
    large = functional.interpolate(cells, scale_factor=8, mode='bilinear', align_corners=False)
    return large.view(*attention.shape[:2], 1, *large.shape[2:])


def fillings(frames: Tensor, generator: torch.Generator) -> Tensor:
    """What is put in place of what is taken away: black, the mean, a blur or noise.

    Args:
        frames: (B, T, 3, 80, 160) float32.
        generator: Draws one kind for each sequence, on the CPU.

    Returns:
        (B, T, 3, 80, 160) float32.
    """
    filled = torch.empty_like(frames)
    kinds = torch.randint(4, (len(frames),), generator=generator)
    for row, kind in enumerate(kinds.tolist()):
        picture = frames[row]
        if kind == 0:
            filled[row] = 0.0
        elif kind == 1:
            filled[row] = picture.mean((-2, -1), keepdim=True)
        elif kind == 2:
            small = functional.avg_pool2d(picture, 20)
            filled[row] = functional.interpolate(small, picture.shape[-2:], mode='bilinear')
        else:
            noise = torch.rand(picture.shape, generator=generator)
            filled[row] = noise.to(picture.device)
    return filled


def _clean_pass(
    network: Network, frames: Tensor, state: State | None
) -> tuple[Tensor, Tensor, State, State]:
    """Answers (B, T), maps (B, T, 10, 20) and the states before each frame, (B·T, hidden)."""
    with torch.no_grad():
        features = network.encoder(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])
        if state is None:
            state = network.initial_state(features[:, 0])
    answers, maps, states = [], [], []
    for step in features.split(1, dim=1):
        states.append(state)
        output = network.answer(step, state)
        state = (output.state[0].detach(), output.state[1].detach())
        answers.append(output.curvature.detach())
        maps.append(output.attention)
    h, c = (torch.stack(parts, 1).flatten(0, 1) for parts in zip(*states, strict=True))
    return torch.cat(answers, 1), torch.cat(maps, 1), (h, c), state


def _shares(attention: Tensor, generator: torch.Generator) -> Tensor:
    drawn = torch.rand((*attention.shape[:2], 1), generator=generator)
    return (LEAST + (MOST - LEAST) * drawn).to(attention.device)
