r"""Whether maps pass the sanity checks, and whether they betray a planted false cue.

    python benchmarks/sanity.py checks --models MODEL … --data DRIVES --out RESULTS
    python benchmarks/sanity.py cue --models MODEL … --data CUED --plain PLAIN --masks FOLDER \
        --out RESULTS

``checks``: rank correlation of each map with that of the network whose layers were randomised from
the answer down to the picture; the fidelity area of the maps (levels of 5 %, blurred filling) and
of the same maps with their cells permuted; how like a map is to the one before it, and to the one
10 s before, beside the brightness of the picture.

``cue``: CUED are drives of `signattn synth --cue 1 --masks causal`, PLAIN the same without
``--cue``, FOLDER holds the former's masks. How much of each network's maps lies on
the lamps, beside the lamps' share of the picture, the lamps' mean place in the order of the map (½
says nothing), and how far the answer moves when the lamps are filled from around them, or when the
drive without lamps is shown instead.

One picture a second is explained (``--step``). Intervals are a bootstrap over blocks of 10 s.
Prints tables and writes RESULTS/metrics.json.
"""

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from signattn.deletion import DeletionConfig, clean_pass, curves
from signattn.drive import Drive, open_drives
from signattn.evaluate import blocks_of
from signattn.explain import EXPLAINERS, explain
from signattn.intervals import seed_block_interval
from signattn.model import Network, load
from signattn.sanity import after_randomising, likeness, permuted_areas
from signattn.share import write_metrics
from signattn.study import markdown
from signattn.truth import PARTS, coverage, masks_beside
from signattn.truth.cue import betrayal, moved_deg, without

LEVELS = (0, 5, 10, 15, 20, 25)
RANDOM_SEEDS = (0, 1)
ELSEWHERE_S = 10.0

Floats = NDArray[np.float64]
Line = dict[str, object]


class Frames:
    """Numbers of frames of several drives, and the blocks they lie in."""

    def __init__(self) -> None:
        """Begin with none."""
        self._values: dict[str, list[Floats]] = {}
        self._blocks: dict[str, list[NDArray[np.int64]]] = {}

    def add(self, name: str, values: Floats, blocks: NDArray[np.int64]) -> None:
        """Of some frames; NaN where there is none."""
        known = np.isfinite(values)
        self._values.setdefault(name, []).append(values[known])
        self._blocks.setdefault(name, []).append(blocks[known])

    def line(self) -> Line:
        """Means with their bounds."""
        line: Line = {}
        for name, parts in self._values.items():
            blocks = np.concatenate(self._blocks[name])
            if not len(blocks):  # no drive is long enough
                continue
            line |= seed_block_interval(np.concatenate(parts)[None], blocks).named(name)
        return line


def maps_of(network: Network, drive: Drive, method: str, frames: NDArray[np.int64]) -> Floats:
    """A method's maps of some frames."""
    return np.asarray(explain(drive, network, EXPLAINERS[method](), frames).saliency)


def checks(args: argparse.Namespace) -> Iterator[Line]:
    """Sanity of each model's maps."""
    drives = open_drives(args.data)
    for path in args.models:
        network = load(path).network.eval()
        for method in args.methods:
            found = Frames()
            for number, drive in enumerate(drives):
                _check(found, network, drive, number, method, args)
            yield {'model': str(path), 'method': method, **found.line()}


def _check(
    found: Frames,
    network: Network,
    drive: Drive,
    number: int,
    method: str,
    args: argparse.Namespace,
) -> None:
    blocks = blocks_of(drive, number, 10.0)
    chosen = np.arange(args.step // 2, len(drive), args.step)
    chosen = chosen[np.isfinite(drive.column('speed')[chosen])]  # others have no degrees
    if not len(chosen):
        return
    of = partial(maps_of, drive=drive, method=method, frames=chosen)
    random = after_randomising(network, of, RANDOM_SEEDS)
    for place, layer in enumerate(random.layers):
        found.add(f'random_to_{layer}', random.correlation[:, place].mean(0), blocks[chosen])
    clean, config = clean_pass(network, drive), DeletionConfig(levels=LEVELS)

    def area(maps: Floats) -> Floats:
        made = curves(network, drive, maps, config, frames=chosen, clean=clean)
        return made.fidelity_areas()

    every = maps_of(network, drive, method, np.arange(len(drive)))
    areas = permuted_areas(every[chosen], area, RANDOM_SEEDS)
    found.add('fidelity_area_deg_percent', areas.own, blocks[chosen])
    found.add('permuted_area_deg_percent', areas.permuted.mean(0), blocks[chosen])
    lag = round(ELSEWHERE_S * drive.preprocessing.rate_hz)
    pictures = {'maps': every, 'pictures': drive.frames[..., 2].astype(float)}
    for what, shown in pictures.items():
        for name, frames in (('next', 1), ('elsewhere', lag)):
            alike = likeness(shown, drive.stretches(), frames)[chosen]
            found.add(f'{what}_like_{name}', alike, blocks[chosen])


def cue(args: argparse.Namespace) -> Iterator[Line]:
    """How much each model's maps say of the lamps."""
    plain = {drive.name: drive for drive in open_drives(args.plain)}
    cued = open_drives(args.data)
    if alone := [drive.name for drive in cued if drive.name not in plain]:
        raise SystemExit(f'{args.plain} must hold each drive without its cue, not {alone[0]}')
    pairs = [(drive, plain[drive.name]) for drive in cued]
    lamps = [coverage(one, masks_beside(one, args.masks), PARTS['cue']) for one, _ in pairs]
    for path in args.models:
        network = load(path).network.eval()
        moved = Frames()
        for number, ((drive, bare), shown) in enumerate(zip(pairs, lamps, strict=True)):
            blocks = blocks_of(drive, number, 10.0)
            filled = without(drive.frames, shown, 'around')
            moved.add('moved_filled_deg', moved_deg(network, drive, filled), blocks)
            moved.add('moved_without_deg', moved_deg(network, drive, bare.frames), blocks)
        for method in args.methods:
            found = Frames()
            for number, ((drive, _), shown) in enumerate(zip(pairs, lamps, strict=True)):
                chosen = np.arange(args.step // 2, len(drive), args.step)
                seen = betrayal(maps_of(network, drive, method, chosen), shown[chosen])
                blocks = blocks_of(drive, number, 10.0)[chosen]
                found.add('on_lamps_percent', 100 * seen.energy, blocks)
                found.add('lamps_of_picture_percent', 100 * seen.area, blocks)
                found.add('rank_of_lamps', seen.rank, blocks)
            yield {'model': str(path), 'method': method, **found.line(), **moved.line()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parts = parser.add_subparsers(required=True)
    runs: tuple[tuple[str, Callable[[argparse.Namespace], Iterator[Line]]], ...]
    runs = (('checks', checks), ('cue', cue))
    for name, run in runs:
        part = parts.add_parser(name)
        part.set_defaults(run=run)
        part.add_argument('--models', type=Path, nargs='+', required=True)
        part.add_argument('--data', type=Path, required=True, help='drives')
        part.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
        part.add_argument('--methods', nargs='+', default=['attention', 'gradcam'])
        part.add_argument('--step', type=int, default=20, help='every so many frames')
        if name == 'cue':
            part.add_argument('--plain', type=Path, required=True, help='the drives without cue')
            part.add_argument('--masks', type=Path, required=True, help='folder of their masks')
    args = parser.parse_args()
    lines = list(args.run(args))
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out / 'metrics.json', lines)
    print(markdown(lines))


if __name__ == '__main__':
    main()
