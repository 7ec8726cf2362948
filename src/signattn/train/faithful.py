"""Training the score alone, for a map that is sufficient and necessary.

With ``attention: sign`` α changes nothing in the forward pass. So the score can be trained for
what a map should be, with everything else frozen: the answers stay the same to the bit, and only
the truth of the map rises.
"""

import dataclasses

import torch
from torch import Tensor
from torch.nn import functional

from signattn.model import Network, State
from signattn.model.gating import standardised

LEAST, MOST = 0.05, 0.5
"""Share of the picture that is kept, or taken away."""
SOFTNESS = 0.25
"""Of the mask's border, in standard deviations of the logits."""
ENOUGH = 1.0
"""Change of the answer, in standard deviations of the curvature, beyond which more is no gain."""


def silent_twin(network: Network) -> Network:
    """The same function without a score, frozen, whose gradient to the picture isn't weighed by α.

    Args:
        network: With ``attention: sign``.

    Returns:
        A network with ``attention: none_quant`` and the same weights, in evaluation mode.
    """
    plain = dataclasses.replace(
        network.config, attention='none_quant', score='projected', temperature=1.0
    )
    twin = Network(plain).to(network.curvature_scale.device)
    weights = network.state_dict()
    twin.load_state_dict({name: weights[name] for name in twin.state_dict()})
    return twin.eval().requires_grad_(requires_grad=False)


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
    kept = filled + mask * (frames - filled)
    dropped = frames + mask * (filled - frames)
    unit = network.curvature_scale

    def change(shown: Tensor) -> Tensor:
        answer: Tensor = twin(shown.flatten(0, 1)[:, None], before).curvature.view_as(clean)
        return (answer - clean).abs() / unit

    lost = (ENOUGH - change(dropped)).clamp(min=0)
    loss: Tensor = (change(kept) + lost).mean()
    return loss, state


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
