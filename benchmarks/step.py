"""The streaming step beside its goals, the limit of memory, and peers on the unsplit step.

    python benchmarks/step.py --out RESULTS [--threads 2] [--steps 100] [--rounds 5]

Ours: every back end, as ``signattn bench`` times it. Peers answer at the end of the whole step:
plain torch; ``torch.compile`` with frozen weights; ONNX Runtime and, where it is installed
(`pip install openvino`; it is no dependency), OpenVINO on what torch itself exports; ONNX Runtime
with its own dynamic quantisation to int8. All take turns; figures are medians over all rounds, and
ratios are taken within each round first. The network has the paper's size and random weights.

Prints a table and the goals, and writes RESULTS/metrics.json.
"""

import argparse
import importlib.util
import statistics
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic
from torch import Tensor, nn

from signattn.bench import PlainStep, Route, run_rounds, weights_bytes
from signattn.model import Network, NetworkConfig
from signattn.preprocess import scale
from signattn.share import write_metrics
from signattn.stream import Step
from signattn.stream.choose import choose_backend

CPU = torch.device('cpu')
NAMES = ('frames', 'h', 'c'), ('curvature', 'attention', 'h_behind', 'c_behind')
Arrays = list[NDArray[np.float32]]


class Whole(nn.Module):
    """The unsplit step as a function."""

    def __init__(self, network: Network) -> None:
        """Hold the network."""
        super().__init__()
        self.network = network

    def forward(self, frames: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, ...]:
        """From (1, 1, 3, 80, 160) and a state: curvature, attention and the state behind."""
        output = self.network(frames, (h, c))
        return output.curvature, output.attention, *output.state


class Peer:
    """The unsplit step by whatever runs it."""

    def __init__(self, name: str, hidden: int, run: Callable[[Arrays], Arrays]) -> None:
        """Begin with an empty state."""
        self.name, self.run = name, run
        self.empty = [np.zeros((1, hidden), np.float32) for _ in range(2)]
        self.state = self.empty

    def answer(self, frame: NDArray[np.uint8]) -> Step:
        """The whole step."""
        curvature, attention, *self.state = self.run([scale(frame[None, None]), *self.state])
        return Step(float(curvature[0, 0]), np.array(attention[0, 0]))

    def prepare(self) -> None:
        """Nothing is left to do."""

    def reset(self) -> None:
        """Forget the past."""
        self.state = self.empty


def compiled(whole: Whole) -> Callable[[Arrays], Arrays]:
    """torch.compile."""
    from torch._inductor import config  # noqa: PLC0415 (slow to import)

    config.freezing = True
    run = torch.compile(whole, dynamic=False, mode='max-autotune-no-cudagraphs')

    @torch.no_grad()
    def call(inputs: Arrays) -> Arrays:
        return [out.numpy() for out in run(*(torch.from_numpy(each) for each in inputs))]

    return call


def in_onnxruntime(path: Path, threads: int) -> Callable[[Arrays], Arrays]:
    """ONNX Runtime, as it comes."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(path, options, providers=['CPUExecutionProvider'])
    return lambda inputs: session.run(NAMES[1], dict(zip(NAMES[0], inputs, strict=True)))


def in_openvino(path: Path, threads: int) -> Callable[[Arrays], Arrays]:
    """OpenVINO, set to latency and full precision."""
    import openvino  # noqa: PLC0415 (a peer that may be absent)

    hints = {
        'PERFORMANCE_HINT': 'LATENCY',
        'INFERENCE_PRECISION_HINT': 'f32',
        'INFERENCE_NUM_THREADS': threads,
    }
    model = openvino.Core().compile_model(openvino.Core().read_model(path), 'CPU', hints)
    request = model.create_infer_request()

    def call(inputs: Arrays) -> Arrays:
        found = request.infer(dict(zip(NAMES[0], inputs, strict=True)), share_inputs=True)
        return [np.array(found[name]) for name in NAMES[1]]

    return call


def export_whole(network: Network, folder: Path) -> tuple[Path, Path]:
    """What torch exports, and the same quantised by ONNX Runtime."""
    path, quantised = folder / 'whole.onnx', folder / 'int8.onnx'
    state = torch.zeros(1, network.config.hidden)
    inputs = (torch.rand(1, 1, 3, 80, 160), state, state)
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter('ignore')  # this exporter needs nothing installed; it's the old one
        torch.onnx.export(
            Whole(network),
            inputs,
            path,
            input_names=list(NAMES[0]),
            output_names=list(NAMES[1]),
            dynamo=False,
        )
    quantize_dynamic(
        path, quantised, weight_type=QuantType.QInt8, op_types_to_quantize=['MatMul', 'Gemm']
    )
    return path, quantised


def make_routes(network: Network, threads: int, folder: Path) -> dict[str, Route]:
    """Ours, then peers."""
    fp32, int8 = (weights_bytes(network, weights) for weights in ('fp32', 'int8'))
    path, quantised = export_whole(network, folder)
    hidden = network.config.hidden
    runs = {
        'torch.compile, unsplit': (compiled(Whole(network)), fp32),
        'onnxruntime, unsplit': (in_onnxruntime(path, threads), fp32),
        'onnxruntime, unsplit, its int8': (in_onnxruntime(quantised, threads), int8),
    }
    if importlib.util.find_spec('openvino'):
        runs['openvino, unsplit'] = (in_openvino(path, threads), fp32)
    else:
        print('openvino is not installed: it is left out')
    routes = {
        'ours: torch': Route('', choose_backend(network, 'torch', CPU), fp32),
        'ours: onnx': Route('', choose_backend(network, 'onnx', CPU), fp32),
        'ours: onnx, int8': Route('', choose_backend(network, 'onnx', CPU, 'int8'), int8),
        'plain torch': Route('', PlainStep(network, CPU), fp32),
    }
    for name, (run, size) in runs.items():
        routes[name] = Route('', Peer(name, hidden, run), size)
    for name, route in routes.items():
        route.name = name
        route.backend.answer(np.zeros((80, 160, 3), np.uint8))  # compiles
    return routes


def goals(routes: dict[str, Route]) -> list[dict[str, Any]]:
    """Each goal, what was reached, and whether that is enough."""
    rows = {name: route.row() for name, route in routes.items()}
    ours = ('ours: torch', 'ours: onnx')
    best = min(ours, key=lambda name: rows[name]['answer_ms_p50'])
    quickest = min(ours, key=lambda name: rows[name]['step_ms_p50'])
    answer = rows[best]['answer_ms_p50']
    found = [
        (f'{best}: ms to curvature, fp32', answer, 0.45),
        (f'{best}: share of the plain step', answer / rows['plain torch']['step_ms_p50'], 1 / 15),
        (f'{quickest}: step, fp32, times the floor', rows[quickest]['times_floor'], 1.15),
        ('ours: onnx, int8: ms of a step', rows['ours: onnx, int8']['step_ms_p50'], 1.2),
    ]
    for name, row in rows.items():
        if not name.startswith('ours'):
            own = 'ours: onnx, int8' if 'int8' in name else quickest
            ratio = rows[own]['step_ms_p50'] / row['step_ms_p50']
            found.append((f'{own}: step over that of {name}', ratio, 1.0))
    return [
        {'goal': text, 'reached': value, 'at_most': limit, 'met': value <= limit}
        for text, value, limit in found
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--steps', type=int, default=100, help='of each in a round')
    parser.add_argument('--rounds', type=int, default=5)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_num_threads(args.threads)
    network = Network(NetworkConfig()).eval().requires_grad_(requires_grad=False)
    with tempfile.TemporaryDirectory() as folder:
        routes = make_routes(network, args.threads, Path(folder))
        rates = run_rounds(list(routes.values()), CPU, args.steps, args.rounds)
    rows, reached = [route.row() for route in routes.values()], goals(routes)
    print(f'{args.threads} threads, memory read at {statistics.median(rates) / 1e9:.1f} GB/s\n')
    print('| | to curvature, ms p50 / p99 | step, ms p50 / p99 | times the floor |')
    print('|---|---|---|---|')
    for row in rows:
        cells = [
            f'{row[f"{part}_ms_p50"]:.2f} / {row[f"{part}_ms_p99"]:.2f}'
            for part in ('answer', 'step')
        ]
        print(f'| {row["backend"]} | {" | ".join(cells)} | {row["times_floor"]:.2f} |')
    print('\n| goal | reached | at most | met |\n|---|---|---|---|')
    for goal in reached:
        met = 'yes' if goal['met'] else 'no'
        print(f'| {goal["goal"]} | {goal["reached"]:.3f} | {goal["at_most"]:.3f} | {met} |')
    machine = {'threads': args.threads, 'read_gb_per_s': statistics.median(rates) / 1e9}
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out / 'metrics.json', machine | {'backends': rows, 'goals': reached})


if __name__ == '__main__':
    main()
