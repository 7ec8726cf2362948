"""Speed of ``convert`` beside the bare decoder and a plain loop, on a bag that it makes itself.

    python benchmarks/convert.py --out RESULTS [--frames 2000] [--repeats 5]

All routes take turns on the same bag, so that a busy machine slows them alike; figures are medians
over the repeats, ratios are taken within each repeat first. On one core the processor's time
counts, which others on the machine hardly change; on all cores the time on the clock. Prints a
table and writes RESULTS/metrics.json.
"""

import argparse
import csv
import json
import os
import shutil
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from rosbags.highlevel import AnyReader

from signattn.bag import BagWriter, open_recording
from signattn.convert import ConvertConfig, WorkConfig, convert, convert_all
from signattn.drive import Drive
from signattn.preprocess import Preprocessing, network_input, scale
from signattn.share import write_whole
from signattn.train import Sequences, TrainConfig

TOPIC = '/center_camera/image_color/compressed'
STEP_NS = 50_000_000  # 20 Hz
PICTURES = 50  # different ones, in turn
WINDOWS_FRAMES = 16_000


def picture(rng: np.random.Generator) -> np.ndarray:
    """Something with the spectrum of a photograph: (480, 640, 3) uint8."""
    layers = [
        cv2.resize(rng.normal(0, 1, (rows, rows * 4 // 3, 3)), (640, 480)) * 160 / rows**0.7
        for rows in (3, 6, 12, 24, 48, 96, 192, 480)
    ]
    return np.clip(128 + sum(layers), 0, 255).astype(np.uint8)


def write_bag(path: Path, frames: int) -> float:
    """A mcap bag with steering; the mean size of its pictures in kB."""
    rng = np.random.default_rng(0)
    pictures = [picture(rng) for _ in range(PICTURES)]
    with BagWriter(path, 'mcap') as writer:
        for i in range(frames):
            stamp = 1_479_424_215_000_000_000 + i * STEP_NS
            writer.image(stamp, pictures[i % PICTURES], topic=TOPIC)
            writer.steering(stamp, 0.3 * np.sin(i / 50), 15.0)
    sizes = [cv2.imencode('.jpg', it, [cv2.IMWRITE_JPEG_QUALITY, 90])[1].size for it in pictures]
    return float(np.mean(sizes)) / 1000


def payloads(bag: Path) -> list[np.ndarray]:
    """All pictures, undecoded."""
    with open_recording(bag) as recording:
        return [image.data.copy() for image in recording.images()]


def read_only(bag: Path) -> None:
    """Go through the images without decoding them."""
    with open_recording(bag) as recording:
        for _ in recording.images():
            pass


def bare(pictures: list[np.ndarray]) -> None:
    """Decode, INTER_AREA, HSV, of pictures that are in memory already."""
    for data in pictures:
        image = cv2.imdecode(data, cv2.IMREAD_COLOR)
        small = cv2.resize(image, (160, 80), interpolation=cv2.INTER_AREA)
        cv2.cvtColor(small, cv2.COLOR_BGR2HSV)


def bare_shared(pictures: list[np.ndarray], threads: int) -> None:
    """The same by threads: how much of the other cores this machine has to give."""
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(bare, [pictures[i::threads] for i in range(threads)]))


def plain_loop(bag: Path, out: Path) -> None:
    """One message after the other: deserialise, decode, resize, write a JPEG and a row."""
    out.mkdir()
    with AnyReader([bag]) as reader, (out / 'index.csv').open('w', newline='') as table:
        writer = csv.writer(table)
        connections = [it for it in reader.connections if it.topic == TOPIC]
        for i, (connection, _, raw) in enumerate(reader.messages(connections)):
            message = reader.deserialize(raw, connection.msgtype)
            image = cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR)
            small = cv2.resize(image, (160, 80), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(out / f'{i}.jpg'), small)
            stamp = message.header.stamp
            writer.writerow((stamp.sec * 10**9 + stamp.nanosec, f'{i}.jpg', 160, 80))


def fresh(function: Callable[[Path], object], folder: Path) -> None:
    """Call with the path of a folder that isn't there yet, and remove it."""
    try:
        function(folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def windows(drive: Drive) -> None:
    """Draw as many frames in sequences as an epoch would."""
    sequences = Sequences([[drive]], TrainConfig(batch=16, sequence=100))
    for index in range(WINDOWS_FRAMES // 1600):
        batch = sequences.batch(1, index)
        for start in range(0, 100, 20):  # as training hands them to the network
            scale(batch.frames[:, start : start + 20])


class Clock:
    """Times of each route: one core's CPU time, and time on the clock."""

    def __init__(self) -> None:
        self.times: dict[str, list[tuple[float, float]]] = {}

    def __call__(self, name: str, function: Callable[[], object], cores: set[int]) -> None:
        """Run on some of the cores, and note what it took."""
        every = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)
        try:
            cpu_s, wall_s = time.process_time(), time.perf_counter()
            function()
            took = time.process_time() - cpu_s, time.perf_counter() - wall_s
        finally:
            os.sched_setaffinity(0, every)
        self.times.setdefault(name, []).append(took)

    def ratio(self, faster: str, slower: str, kind: int) -> float:
        """How many times as fast one route is as another; kind 0 is CPU, 1 the clock."""
        pairs = zip(self.times[faster], self.times[slower], strict=True)
        return round(statistics.median(b[kind] / a[kind] for a, b in pairs), 3)

    def row(self, name: str, frames: int) -> dict[str, float]:
        """Medians over the repeats."""
        cpu_s, wall_s = (statistics.median(it) for it in zip(*self.times[name], strict=True))
        return {
            'frames_per_s_cpu': round(frames / cpu_s),
            'frames_per_s_wall': round(frames / wall_s),
            'cpu_us_per_frame': round(cpu_s / frames * 1e6),
        }


def reduced_difference(bag: Path) -> dict[str, float]:
    """How far frames decoded at a fraction are from exact ones, per pixel, of 255."""
    exact, reduced = Preprocessing(), Preprocessing(reduced=True)
    off = []
    with open_recording(bag) as recording:
        for image, _ in zip(recording.images(), range(PICTURES), strict=False):
            frames = [network_input(image.rgb(how), how).astype(int) for how in (exact, reduced)]
            off.append(np.abs(frames[0] - frames[1])[..., 2])
    return {
        'reduced_value_mean_of_255': round(float(np.mean(off)), 2),
        'reduced_value_p99_of_255': float(np.percentile(off, 99)),
    }


def measure(folder: Path, frames: int, repeats: int) -> dict[str, object]:
    """All routes in turn."""
    bag, load = folder / 'bag', os.getloadavg()[0]
    size_kb = write_bag(bag, frames)
    pictures = payloads(bag)
    config, clock = ConvertConfig(), Clock()
    every = os.sched_getaffinity(0)
    one = {min(every)}
    cv2.setNumThreads(1)
    drive = convert(bag, folder / 'drive', config)
    routes: dict[str, tuple[Callable[[], object], set[int]]] = {
        'reading only': (lambda: read_only(bag), one),
        'bare decode + INTER_AREA + HSV': (lambda: bare(pictures), one),
        'convert, one core': (
            lambda: fresh(lambda out: convert(bag, out / 'drive', config), folder / 'one'),
            one,
        ),
        'convert --reduced, one core': (
            lambda: fresh(
                lambda out: convert(bag, out / 'drive', ConvertConfig(reduced=True)),
                folder / 'reduced',
            ),
            one,
        ),
        'bare decode + INTER_AREA + HSV, all cores': (
            lambda: bare_shared(pictures, len(every)),
            every,
        ),
        'convert, all cores': (
            lambda: fresh(
                lambda out: convert_all([bag], out, config, WorkConfig()), folder / 'all'
            ),
            every,
        ),
        'plain loop': (lambda: fresh(lambda out: plain_loop(bag, out), folder / 'plain'), one),
        'windows for training': (lambda: windows(drive), one),
    }
    for _ in range(repeats):
        for name, (function, cores) in routes.items():
            clock(name, function, cores)
    rows = {
        name: clock.row(name, WINDOWS_FRAMES if name.startswith('windows') else frames)
        for name in routes
    }

    one_core, all_cores = 'convert, one core', 'convert, all cores'
    bare_rate, loop = 'bare decode + INTER_AREA + HSV', 'plain loop'
    return {
        'frames': frames,
        'repeats': repeats,
        'cores': len(every),
        'load_before': load,
        'jpeg_kb': round(size_kb, 1),
        'routes': rows,
        'convert_over_bare_decode_one_core': clock.ratio(one_core, bare_rate, 0),
        'all_cores_over_one': clock.ratio(all_cores, one_core, 1),
        'bare_decode_all_cores_over_one': clock.ratio(f'{bare_rate}, all cores', bare_rate, 1),
        'convert_over_plain_loop_one_core': clock.ratio(one_core, loop, 0),
        'convert_all_cores_over_plain_loop': clock.ratio(all_cores, loop, 1),
        'reduced_over_exact_one_core': clock.ratio('convert --reduced, one core', one_core, 0),
        **reduced_difference(bag),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--out', type=Path, required=True, help='folder for metrics.json')
    parser.add_argument('--frames', type=int, default=2000)
    parser.add_argument('--repeats', type=int, default=5)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    folder = options.out / 'work'
    folder.mkdir()
    try:
        metrics = measure(folder, options.frames, options.repeats)
    finally:
        shutil.rmtree(folder)
    write_whole(options.out / 'metrics.json', (json.dumps(metrics, indent=2) + '\n').encode())
    print('| route | frames/s a core (CPU time) | frames/s (clock) | µs a frame (CPU) |')
    print('|---|---|---|---|')
    for name, row in metrics.pop('routes').items():
        figures = ' | '.join(str(value) for value in row.values())
        print(f'| {name} | {figures} |')
    print(json.dumps(metrics, indent=2))


if __name__ == '__main__':
    main()
