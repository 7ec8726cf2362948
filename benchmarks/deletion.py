"""Time of a deletion curve beside Quantus' PixelFlipping and the plain loop, on one network.

    python benchmarks/deletion.py --out RESULTS [--frames 64] [--cores 1] [--hidden 1024]
    python benchmarks/deletion.py --out RESULTS --drive DRIVE [--sample 20] [--cores 2]

Frame regime: ours, Quantus (where it is installed: `pip install quantus`; it is no dependency),
and the loop of the metric that came with RISE: all frames as one batch, level by level. Stream
regime: ours, and a plain loop that takes one level after the other. Each answers 26 levels of the
same frames, with the same maps and states; Quantus masks the whole picture in 24 steps, the number
next to it that it takes, and its time is scaled to 26. The routes take turns, so that a busy
machine slows all alike; figures are medians over the repeats, ratios are taken within each repeat
first. On more than one core ours works on as many parts at once, the others leave it to torch.
Streams go in windows of 16 frames, so take many more than that.

The floor is the arithmetic of convolutions and linear maps alone, at the rate that the same cores
reach in a large product of matrices or in a wide convolution, whichever is higher. Before that,
the answers of the plain loops are compared with ours.

With ``--drive`` what a whole drive takes instead, in both regimes with attention, Grad-CAM, random
and centred maps, and LIME, RISE and the greedy search on a sample of its frames.

Prints a table and writes RESULTS/metrics.json.
"""

import argparse
import hashlib
import importlib.util
import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import conv2d

from signattn.deletion import (
    Clean,
    DeletionConfig,
    clean_pass,
    curves,
    greedy_maps,
    masked_order,
)
from signattn.drive import COLUMNS, Drive, sha256
from signattn.explain import EXPLAINERS, explain
from signattn.explain.controls import centre, random
from signattn.model import Network, NetworkConfig
from signattn.preprocess import Preprocessing, scale
from signattn.ranks import blurred
from signattn.share import write_metrics
from signattn.vehicle import load_vehicle, steering_from_curvature
from signattn.workers import crew

LEVELS = 26
QUANTUS_LEVELS = 24
SIDE = 4096  # of the matrices that show what the device can do
FRAME = DeletionConfig(filling='black')
STREAM = replace(FRAME, regime='stream', skip_s=0.0)
SPEED = 20.0  # m/s

Floats = NDArray[np.float64]
Route = Callable[[], object]


class Frozen(nn.Module):
    """The network as a function of a batch of pictures, each with its state."""

    def __init__(self, network: Network, clean: Clean) -> None:
        """Hold the states of all frames."""
        super().__init__()
        self.network = network
        self.state = clean.state(slice(None))

    def forward(self, pictures: Tensor) -> Tensor:
        """Curvature, (N, 1), of pictures (N, 3, 80, 160)."""
        return self.network.answer_each(self.network.encoder(pictures), self.state)[:, None]


def write_drive(folder: Path, count: int) -> Drive:
    """A drive of smooth noise, at a steady speed."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 180, (count, 10, 20, 3), np.uint8)
    frames = coarse.repeat(8, 1).repeat(8, 2) // 2 + rng.integers(
        0, 80, (count, 80, 160, 3), np.uint8
    )
    vehicle, curvature = load_vehicle(), np.zeros(count)
    angle = steering_from_curvature(curvature, SPEED, vehicle)
    columns = (np.arange(count) * 50_000_000, *(angle, np.full(count, SPEED), curvature) * 2)
    folder.mkdir()
    np.save(folder / 'frames.npy', frames)
    samples = pd.DataFrame(dict(zip(COLUMNS, columns, strict=True)))
    samples.to_parquet(folder / 'samples.parquet', index=False)
    description = {
        'format': 1,
        'name': 'noise',
        'vehicle': asdict(vehicle),
        'max_gap_s': 0.5,
        'preprocessing': Preprocessing().to_mapping(),
        'checksums': {
            'frames_sha256': hashlib.sha256(frames.tobytes()).hexdigest(),
            'samples_sha256': sha256(folder / 'samples.parquet'),
        },
    }
    (folder / 'drive.yaml').write_text(yaml.safe_dump(description))
    return Drive(folder)


def plain_frames(model: Frozen, frames: Tensor, soft: NDArray[np.floating]) -> Floats:
    """Curvature (26, N) in the manner of RISE's metric: one batch, level after level."""
    order = np.flip(np.argsort(soft.reshape(len(soft), -1), axis=1), axis=1)
    shown, answers = frames.flatten(2).numpy().copy(), []
    for level in range(LEVELS):
        with torch.no_grad():
            pictures = torch.from_numpy(shown).unflatten(2, (80, 160))
            answers.append(model(pictures)[:, 0].numpy())
        for row, places in zip(shown, order[:, 128 * level : 128 * (level + 1)], strict=True):
            row[:, places] = 0.0
    return np.array(answers, np.float64)


def plain_stream(network: Network, frames: Tensor, orders: list[NDArray[np.int64]]) -> Floats:
    """Curvature (26, N): for each level the masked drive, one frame after the other."""
    answers = np.empty((LEVELS, len(frames)))
    for level in range(LEVELS):
        state = None
        for place, order in enumerate(orders):
            picture = frames[place].flatten(1).clone()
            picture[:, order[: 128 * level]] = 0.0
            with torch.no_grad():
                output = network(picture.view(1, 1, 3, 80, 160), state)
            state = output.state
            answers[level, place] = float(output.curvature)
    return answers


def quantus_route(model: Frozen, frames: Tensor, soft: NDArray[np.floating]) -> Route:
    """PixelFlipping over the same frames."""
    import quantus  # noqa: PLC0415 (a peer that may be absent)

    pictures, maps = frames.numpy(), soft[:, None].astype(np.float32)
    steps = pictures[0].size // QUANTUS_LEVELS
    metric = quantus.PixelFlipping(
        features_in_step=steps, normalise=False, perturb_baseline='black', disable_warnings=True
    )
    answer = np.zeros(len(frames), np.int64)

    def run() -> object:
        return metric(
            model,
            pictures,
            answer,
            maps,
            channel_first=True,
            softmax=False,
            device='cpu',
            batch_size=len(frames),
        )

    return run


def multiply_adds(network: Network, *, stream: bool) -> float:
    """Of the 26 levels of a frame, in convolutions and linear maps.

    By frames it is 25: the answers to whole pictures are the clean pass's, which all maps share.
    """
    counted = 0

    def count(module: nn.Module, _args: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal counted
        counted += module.weight.numel() * out.shape[-1] * out.shape[-2]

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network.encoder(torch.rand(1, 3, 80, 160))
    for hook in hooks:
        hook.remove()
    gate = network.gate.weight.numel()
    each = counted + network.output.weight.numel()
    if not stream:
        return (LEVELS - 1) * each + gate
    lstm = network.lstm.weight_ih.numel() + network.lstm.weight_hh.numel()
    return LEVELS * (each + lstm + gate)


def best_rate() -> float:
    """Multiply-adds a second in fp32, of a large product or of a convolution of 64 channels.

    Torch gives them to different libraries, one of which may do badly on a processor.
    """
    a, b = (torch.rand(SIDE, SIDE) for _ in range(2))
    pictures = torch.rand(32, 64, 40, 40).to(memory_format=torch.channels_last)
    weight = torch.rand(64, 64, 3, 3)
    tasks: list[tuple[Route, float]] = [
        (lambda: a @ b, SIDE**3),
        (lambda: conv2d(pictures, weight, padding=1), pictures.numel() * weight[0].numel()),
    ]
    rates = []
    for task, work in tasks:
        task()
        started = time.perf_counter()
        task()
        rates.append(work / (time.perf_counter() - started))
    return max(rates)


def compare(ours: Floats, plain: Floats, drive: Drive) -> dict[str, float]:
    """How far degrees are apart: by rounding, and where a sign or a level flipped."""
    theta = np.degrees(steering_from_curvature(plain, SPEED, drive.vehicle))
    apart = np.abs(ours - theta)
    alike = apart <= 1e-5 * np.abs(theta).max()
    return {'flipped_share': float(1 - alike.mean()), 'most_apart_deg': float(apart.max())}


def made_routes(
    network: Network,
    drive: Drive,
    saliency: NDArray[np.floating],
    executor: Executor | None,
    cores: int,
) -> tuple[dict[str, Route], dict[str, object]]:
    """What is timed, and how the plain loops' answers compare."""
    clean = clean_pass(network, drive)
    frame = replace(FRAME, chunk=math.ceil(len(drive) / cores))
    shared = {'clean': clean, 'executor': executor}
    model, frames = Frozen(network, clean).eval(), torch.from_numpy(scale(drive.frames))
    soft = np.stack([blurred(each, FRAME.blur_px) for each in saliency])
    orders = [
        masked_order(each, FRAME.blur_px, np.random.default_rng((FRAME.seed, place)))
        for place, each in enumerate(saliency)
    ]
    routes: dict[str, Route] = {
        'clean pass': lambda: clean_pass(network, drive),
        'frame, ours': lambda: curves(network, drive, saliency, frame, **shared),
        'frame, plain loop': lambda: plain_frames(model, frames, soft),
        'stream, ours': lambda: curves(network, drive, saliency, STREAM, executor=executor),
        'stream, plain loop': lambda: plain_stream(network, frames, orders),
    }
    if importlib.util.find_spec('quantus'):
        routes['frame, Quantus'] = quantus_route(model, frames, soft)
    else:
        print('quantus is not installed: it is left out')
    found = {}
    for name, config, plain in (
        ('frame', frame, routes['frame, plain loop']),
        ('stream', STREAM, routes['stream, plain loop']),
    ):
        ours = curves(network, drive, saliency, config, **shared).theta_deg
        found[name] = compare(ours, plain(), drive)
    return routes, found


def made_network(args: argparse.Namespace) -> Network:
    """The network, with random weights."""
    torch.manual_seed(0)
    torch.set_num_threads(args.cores)
    config = NetworkConfig(attention=args.kind, hidden=args.hidden, encoder_norm=args.norm)
    return Network(config).eval()


def measure(args: argparse.Namespace, folder: Path) -> dict[str, object]:
    """All routes in turn."""
    network = made_network(args).requires_grad_(requires_grad=False)
    drive = write_drive(folder / 'drive', args.frames)
    saliency = np.random.default_rng(1).random((args.frames, 80, 160))
    seconds: dict[str, list[float]] = {}
    rates = []
    with crew(args.cores) as executor:
        routes, compared = made_routes(network, drive, saliency, executor, args.cores)
        for turn in range(args.repeats + 1):
            rate = best_rate()
            for name, route in routes.items():
                started = time.perf_counter()
                route()
                if turn:  # the first one warms up
                    took = time.perf_counter() - started
                    scaled = LEVELS / QUANTUS_LEVELS if name.endswith('Quantus') else 1
                    seconds.setdefault(name, []).append(took * scaled)
            if turn:
                rates.append(rate)
    return {
        'frames': args.frames,
        'cores': args.cores,
        'repeats': args.repeats,
        'compared_with_plain_loop': compared,
        'best_multiply_adds_per_s': statistics.median(rates),
        'routes': {name: row(name, seconds, rates, network, args.frames) for name in routes},
    }


def row(
    name: str, seconds: dict[str, list[float]], rates: list[float], network: Network, count: int
) -> dict[str, float]:
    """Figures of a route; how much faster ours is, and times the floor."""
    figures = {'ms_per_frame': 1000 * statistics.median(seconds[name]) / count}
    regime, _, who = name.partition(', ')
    if who:
        work = multiply_adds(network, stream=regime == 'stream') * count
        times = [took * rate / work for took, rate in zip(seconds[name], rates, strict=True)]
        pairs = zip(seconds[name], seconds[f'{regime}, ours'], strict=True)
        figures['times_floor'] = statistics.median(times)
        figures['times_ours'] = statistics.median(theirs / ours for theirs, ours in pairs)
    return figures


def measure_drive(args: argparse.Namespace) -> dict[str, object]:
    """Seconds that a drive takes: for the maps, and for the curves in each regime."""
    network, drive = made_network(args), Drive(args.drive)
    sample = np.linspace(0, len(drive) - 1, args.sample).round().astype(np.int64)
    seconds: dict[str, dict[str, float]] = {}

    def timed(name: str, what: str, task: Callable[[], Any]) -> Any:
        started = time.perf_counter()
        made = task()
        seconds.setdefault(name, {})[what] = time.perf_counter() - started
        print(f'{name}: {what} {seconds[name][what]:.1f} s', flush=True)
        return made

    with crew(args.cores) as executor:
        clean = timed('clean pass', 'answers', lambda: clean_pass(network, drive))
        measured = partial(curves, network, drive, clean=clean, executor=executor)
        every: dict[str, Callable[[], NDArray[np.floating]]] = {
            'attention': lambda: explain(drive, network, EXPLAINERS['attention']()).saliency,
            'gradcam': lambda: explain(drive, network, EXPLAINERS['gradcam']()).saliency,
            'random': lambda: random(len(drive), 0),
            'centre': lambda: centre(len(drive)),
        }
        for name, task in every.items():
            maps = timed(name, 'maps', task)
            for config in (FRAME, STREAM):
                timed(name, config.regime, partial(measured, maps, config))
        whole = sum(sum(parts.values()) for parts in seconds.values())
        for name in ('lime_cells', 'lime_superpixels', 'rise'):
            task = partial(explain, drive, network, EXPLAINERS[name](), sample)
            maps = timed(f'{name}, sample', 'maps', task).saliency
            timed(f'{name}, sample', 'frame', partial(measured, maps, FRAME, frames=sample))
        sharp = replace(FRAME, blur_px=0.0)
        shared = {'clean': clean, 'executor': executor}
        task = partial(greedy_maps, network, drive, sharp, sample, **shared)
        maps = timed('greedy, sample', 'maps', task)
        timed('greedy, sample', 'frame', partial(measured, maps, sharp, frames=sample))
    return {'frames': len(drive), 'sample': args.sample, 'whole_s': whole, 'seconds': seconds}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--frames', type=int, default=64)
    parser.add_argument('--cores', type=int, default=1)
    parser.add_argument('--hidden', type=int, default=1024)
    parser.add_argument('--kind', default='sign', help='attention')
    parser.add_argument('--norm', default='batch', choices=('none', 'batch'))
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--drive', type=Path, help='time a whole drive instead')
    parser.add_argument('--sample', type=int, default=20, help='its frames for costly methods')
    args = parser.parse_args()
    if args.drive:
        results = measure_drive(args)
    else:
        with tempfile.TemporaryDirectory() as folder:
            results = measure(args, Path(folder))
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out / 'metrics.json', results)
    if args.drive:
        print(f'{results["whole_s"]:.0f} s for all {results["frames"]} frames')
        return
    routes = results.pop('routes')
    print('| route | ms a frame, 26 levels | times the floor | time over ours |')
    print('|---|---|---|---|')
    for name, figures in routes.items():
        cells = [
            f'{figures[key]:.2f}' if key in figures else ''
            for key in ('ms_per_frame', 'times_floor', 'times_ours')
        ]
        print(f'| {name} | {" | ".join(cells)} |')
    print(json.dumps(results, indent=2))


if __name__ == '__main__':
    main()
