"""Speed of a training step beside the plain implementation, at paper size.

    python benchmarks/train.py --out RESULTS [--device cpu] [--batch 8 64] [--repeats 5]

Plain: encoder and LSTM cell one step after the other, eager, Adam as it comes. Ours: as the
package trains. Each has a process of its own, so that neither changes how the other uses memory;
the two take turns, step by step, so that a busy machine slows both alike; figures are medians over
the repeats, the ratio is taken within each repeat first. Before that their answers and gradients
are compared. The arithmetic is that of convolutions and linear maps alone, 3 × multiply-adds a
frame, set beside what the device reaches in a large product of matrices. Prints a table and writes
RESULTS/metrics.json.
"""

import argparse
import math
import multiprocessing
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.testing import assert_close

from signattn.model import Network, NetworkConfig
from signattn.share import write_metrics
from signattn.train.devices import keep_memory

WINDOW = 20
PAPERS_FRAMES = 257_796
KINDS = ('sign', 'none_quant', 'soft32', 'topk')
SIDE = 4096  # of the matrices that show what the device can do


def plain_forward(network: Network, frames: Tensor) -> Tensor:
    """Curvature, (B, T), in the obvious way: the paper's equations step by step."""
    state, answers = None, []
    for t in range(frames.shape[1]):
        features = network.encoder(frames[:, t])  # (B, L, D)
        signed, amplitude = network.split(features)
        if network.attention is None:
            log_attention = features.new_full(features.shape[:2], -math.log(200))
        if state is None:
            openness = None
            if network.config.attention == 'topk':
                nothing = features.new_zeros(len(features), network.config.hidden)
                projected = network.attention.project(features)
                openness = network.gating.openness(network.attention(projected, nothing))
            state = network.initial_state(features, openness)
        if network.attention is not None:
            log_attention = network.attention(network.attention.project(features), state[0])
        products = network.gating(signed, amplitude, log_attention).flatten(1)
        products = network.dropout(products)
        gate = torch.sigmoid(network.gate(state[0]))
        answers.append(network.output(gate * products).squeeze(-1) * network.curvature_scale)
        state = network.lstm(products, state)
    return torch.stack(answers, 1)


def our_forward(network: Network, frames: Tensor) -> Tensor:
    """Curvature, (B, T), as the package does it."""
    answer: Tensor = network(frames).curvature
    return answer


def made(kind: str, dropout: float, device: str) -> Network:
    """The network of the paper, or another with its head and size."""
    torch.manual_seed(0)
    return Network(NetworkConfig(attention=kind, dropout=dropout)).to(device).train()


def check(kind: str, device: str) -> None:
    """Both give the same answers and gradients."""
    network, frames = made(kind, 0.0, device), torch.rand(2, 4, 3, 80, 160, device=device)
    results = []
    for forward in (plain_forward, our_forward):
        network.zero_grad()
        answers = forward(network, frames)
        answers.square().sum().backward()
        results.append((answers.detach(), network.lstm.weight_ih.grad, network.gate.weight.grad))
    for ours, plain in zip(results[1], results[0], strict=True):
        assert_close(ours, plain, atol=1e-4, rtol=1e-2)


def serve(pipe: Connection, name: str, kind: str, batch: int, device: str, compiled: bool) -> None:
    """Make a step whenever asked to, and answer how long it took, s."""
    if name == 'ours':
        keep_memory()
    network = made(kind, 0.5, device)
    if compiled and name == 'ours':
        network.encoder.compile(dynamic=False)
    weights = [weight for weight in network.parameters() if weight.requires_grad]
    adam = torch.optim.Adam(weights, lr=1e-4, fused=True if name == 'ours' else None)
    forward: Callable[[Network, Tensor], Tensor] = {'plain': plain_forward, 'ours': our_forward}[
        name
    ]
    frames = torch.rand(batch, WINDOW, 3, 80, 160, device=device)
    target = torch.randn(batch, WINDOW, device=device)

    def step() -> None:
        loss = (forward(network, frames) - target).abs().mean()
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(weights, 1.0)
        adam.step()

    while pipe.recv():
        started = time.perf_counter()
        step()
        if device != 'cpu':
            torch.cuda.synchronize()
        pipe.send(time.perf_counter() - started)


def multiply_adds(network: Network) -> int:
    """Of one frame, in convolutions and linear maps."""
    counted = 0

    def count(module: nn.Module, _args: tuple[Tensor, ...], out: Tensor) -> None:
        if isinstance(module, nn.Conv2d):
            counted_here = module.weight.numel() * out.shape[-1] * out.shape[-2]
        else:
            counted_here = module.weight.numel()
        nonlocal counted
        counted += counted_here

    hooks = [
        module.register_forward_hook(count)
        for module in network.modules()
        if isinstance(module, nn.Conv2d)
    ]
    with torch.no_grad():
        network(torch.rand(1, 1, 3, 80, 160, device=network.curvature_scale.device))
    for hook in hooks:
        hook.remove()
    lstm = network.lstm.weight_ih.numel() + network.lstm.weight_hh.numel()
    linear = [network.gate, network.output]
    counted += lstm + sum(module.weight.numel() for module in linear)
    if network.attention is not None:
        counted += 200 * network.attention.from_features.weight.numel()
    return counted


def product_rate(device: str, repeats: int) -> float:
    """Multiply-adds a second of a large product in fp32."""
    a, b = (torch.rand(SIDE, SIDE, device=device) for _ in range(2))
    times = []
    for _ in range(repeats + 1):
        started = time.perf_counter()
        a @ b
        if device != 'cpu':
            torch.cuda.synchronize()
        times.append(time.perf_counter() - started)
    return SIDE**3 / min(times[1:])


def measure(kind: str, batch: int, args: argparse.Namespace) -> dict[str, float]:
    """Both in turn."""
    context = multiprocessing.get_context('spawn')
    pipes, processes = {}, []
    for name in ('plain', 'ours'):
        pipes[name], theirs = context.Pipe()
        job = (theirs, name, kind, batch, args.device, args.compile)
        processes.append(context.Process(target=serve, args=job))
        processes[-1].start()
    seconds: dict[str, list[float]] = {name: [] for name in pipes}
    for turn in range(args.repeats + 1):
        for name, pipe in pipes.items():
            pipe.send(True)
            took = pipe.recv()
            if turn:  # the first one warms up
                seconds[name].append(took)
    for pipe in pipes.values():
        pipe.send(False)
    for process in processes:
        process.join()
    frames = batch * WINDOW
    rates = {name: frames / statistics.median(took) for name, took in seconds.items()}
    ratios = [a / b for a, b in zip(seconds['plain'], seconds['ours'], strict=True)]
    return {
        'plain_frames_per_s': rates['plain'],
        'ours_frames_per_s': rates['ours'],
        'ratio': statistics.median(ratios),
        'epoch_h': PAPERS_FRAMES / rates['ours'] / 3600,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--device', default='cpu')
    parser.add_argument('--batch', type=int, nargs='+', default=[8, 64])
    parser.add_argument('--kinds', nargs='+', default=list(KINDS))
    parser.add_argument('--repeats', type=int, default=5)
    parser.add_argument('--compile', action='store_true', help='compile our encoder')
    args = parser.parse_args()
    results: dict[str, object] = {'threads': torch.get_num_threads()}
    rate = product_rate(args.device, args.repeats)
    results['product_multiply_adds_per_s'] = rate
    print(
        '| attention | batch | plain, frames/s | ours, frames/s | ratio | share of a large '
        "product's rate | epoch of 257,796 frames, h |"
    )
    print('|---|---|---|---|---|---|---|')
    for kind in args.kinds:
        check(kind, args.device)
        work = 3 * multiply_adds(made(kind, 0.0, args.device))
        for batch in args.batch:
            found = measure(kind, batch, args)
            found['share'] = found['ours_frames_per_s'] * work / rate
            results[f'{kind}_{batch}'] = found
            print(
                f'| {kind} | {batch} | {found["plain_frames_per_s"]:.1f} | '
                f'{found["ours_frames_per_s"]:.1f} | {found["ratio"]:.1f} | '
                f'{found["share"]:.2f} | {found["epoch_h"]:.2f} |',
                flush=True,
            )
    args.out.mkdir(parents=True, exist_ok=True)
    write_metrics(args.out / 'metrics.json', results)


if __name__ == '__main__':
    main()
