"""The network's own attention."""

from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

from signattn.explain.clean import clean_pass
from signattn.explain.explainer import Explanation, as_saliency
from signattn.model import Network, State


@dataclass(frozen=True)
class AttentionMap:
    """α in each cell, as it is: a map that comes with the answer."""

    name: ClassVar[str] = 'attention'

    def __call__(
        self, network: Network, frames: Tensor, state: State | None = None
    ) -> Explanation:
        """Explain frames; see ``Explainer``."""
        require_attention(network, self.name)
        clean = clean_pass(network, frames, state)
        # In float32 the least of it would be 0 at low temperatures, and their order lost.
        attention = clean.output.log_attention.flatten(0, 1).double().exp()
        return Explanation(as_saliency(attention, frames), 1.0, clean.output.state)


def require_attention(network: Network, name: str) -> None:
    """Refuse a network without a map of its own.

    Args:
        network: The network.
        name: Who needs the map.

    Raises:
        ValueError: If it has none.
    """
    if network.attention is None:
        raise ValueError(
            f'network must have attention to be explained by {name}, got '
            f'{network.config.attention!r}: choose another explainer'
        )
