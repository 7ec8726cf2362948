"""The drive node as its own process, with a camera as another: loss, latency, overload, trouble.

    python benchmarks/nodes.py --out RESULTS [--parts loss latency overload trouble soak]

- loss: of 2,000 raw and compressed images, with and without the profile in the camera's process.
- latency: from an image's stamp to its received curvature, demo and paper size.
- overload: the network slowed to 100 ms, the camera at 30 Hz: age at publication, drops, memory.
- trouble: the camera stops, changes, sends garbage, loops, and is joined by another.
- soak: memory and open files of half an hour at 30 Hz.

Everything runs on this machine, in a ROS domain that nobody uses, on one clock. Prints tables and
writes RESULTS/metrics.json.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import rclpy
import torch
from diagnostic_msgs.msg import DiagnosticArray
from geometry_msgs.msg import Vector3Stamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from signattn.model import Checkpoint, Network, NetworkConfig, save
from signattn.nodes.dds import VARIABLES, profile_environment
from signattn.nodes.drive_node import started
from signattn.nodes.messages import image_message, nanoseconds, set_stamp
from signattn.nodes.process import run
from signattn.preprocess import Preprocessing
from signattn.replay import free_domain_id
from signattn.share import share_path, write_metrics
from signattn.stream import Engine
from signattn.vehicle import load_vehicle

VGA, FULL_HD, ULTRA_HD = (480, 640), (1080, 1920), (2160, 3840)
MB = 2**20
SAMPLE_EVERY_S = 10.0


# The camera: a process of its own.


def picture(size: tuple[int, int]) -> np.ndarray:
    """(H, W, 3) uint8 with the detail of a photograph."""
    coarse = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    return np.asarray(cv2.resize(coarse, size[::-1], interpolation=cv2.INTER_CUBIC), np.uint8)


def message(size: tuple[int, int], transport: str = 'raw') -> Image | CompressedImage:
    """A picture, ready to be stamped."""
    pixels = picture(size)
    if transport == 'raw':
        return image_message(pixels, 'rgb8', Header(frame_id='camera'))
    made = CompressedImage(format='jpeg', header=Header(frame_id='camera'))
    made.data.frombytes(cv2.imencode('.jpg', pixels)[1].tobytes())
    return made


class Camera:
    """Publishes as camera drivers do: best effort, each image with the time of its sending."""

    def __init__(self, transport: str) -> None:
        """Advertise."""
        rclpy.init()
        self.node = Node('camera')
        self.kind = Image if transport == 'raw' else CompressedImage
        self.topic = 'image' if transport == 'raw' else 'image/compressed'
        qos = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)
        self.advertise: Callable[[], Any] = lambda: self.node.create_publisher(
            self.kind, self.topic, qos
        )
        self.publisher = self.advertise()
        while not self.publisher.get_subscription_count():
            time.sleep(0.05)
        time.sleep(1)  # until the other side knows it too

    def send(self, image: Any, count: int, hz: float, *, back_s: float = 0.0) -> None:
        """Send one image again and again."""
        began_s = time.monotonic()
        for i in range(count):
            time.sleep(max(0.0, began_s + i / hz - time.monotonic()))
            set_stamp(image.header, time.time_ns() - round(back_s * 1e9))
            self.publisher.publish(image)


def steady_camera(options: argparse.Namespace) -> int:
    """A camera that does nothing else."""
    camera = Camera(options.transport)
    image = message(tuple(options.size), options.transport)
    camera.send(image, options.frames, options.hz)
    print(json.dumps({'sent': options.frames}))
    return 0


def troubled_camera(_: argparse.Namespace) -> int:
    """A camera that does all that goes wrong, and each time a second of good images after it."""
    camera, good = Camera('raw'), message(VGA)
    unknown, empty, broken = message(VGA), Image(), message(VGA)
    unknown.encoding, broken.height = 'thermal16', 9999

    def twice() -> None:
        first, second = camera.publisher, camera.advertise()
        time.sleep(0.5)
        for i in range(30):
            camera.publisher = (first, second)[i % 2]
            camera.send(good, 1, 20)
            time.sleep(1 / 20)
        camera.publisher = first
        camera.node.destroy_publisher(second)

    phases: dict[str, Callable[[], None]] = {
        'nothing': lambda: None,
        'stops for 2.5 s': lambda: time.sleep(2.5),
        'another size': lambda: camera.send(message((240, 320)), 10, 20),
        'unknown encoding': lambda: camera.send(unknown, 30, 20),
        'empty images': lambda: camera.send(empty, 30, 20),
        'too few bytes': lambda: camera.send(broken, 30, 20),
        '1×1': lambda: camera.send(message((1, 1)), 10, 20),
        '4K': lambda: camera.send(message(ULTRA_HD), 10, 5),
        'stamps go back by 0.3 s': lambda: camera.send(good, 1, 20, back_s=0.3),
        'stamps are an hour old': lambda: camera.send(good, 30, 20, back_s=3600),
        'two publishers': twice,
    }
    told = {}
    for name, phase in phases.items():
        began_ns = time.time_ns()
        phase()
        ended_ns = time.time_ns()
        camera.send(good, 40, 20)
        told[name] = began_ns, ended_ns, time.time_ns()
    print(json.dumps(told))
    return 0


# The drive node with a network that is slowed: a process of its own.


def slow_node(options: argparse.Namespace) -> int:
    """The drive node, its network slowed."""

    class Slow(Engine):
        def answer_frame(self, frame: np.ndarray) -> Any:
            began_s = time.monotonic()
            step = super().answer_frame(frame)
            time.sleep(max(0.0, began_s + options.slow_ms / 1000 - time.monotonic()))
            return step

    command = ['--ros-args', *options.ros]
    return run('signattn', lambda: started(Slow), args=command)


ROLES = {'camera': steady_camera, 'trouble': troubled_camera, 'slow': slow_node}


# What watches them.


@dataclass
class Heard:
    """What came from the drive node."""

    answers: list[tuple[int, int]] = field(default_factory=list)  # stamp and arrival, ns
    reports: list[tuple[int, int, str, dict[str, str]]] = field(default_factory=list)

    def latencies_ms(self) -> np.ndarray:
        """From stamp to arrival."""
        return np.array([(came - stamp) / 1e6 for stamp, came in self.answers])

    def values(self) -> dict[str, str]:
        """Those of the last report."""
        return self.reports[-1][3]


class Watcher:
    """Notes answers and reports in a thread of its own."""

    def __init__(self) -> None:
        """Begin to listen."""
        self.heard = Heard()
        self._node = Node('watcher')
        answers = QoSProfile(depth=1000)
        self._node.create_subscription(Vector3Stamped, 'signattn/curvature', self._answer, answers)
        self._node.create_subscription(DiagnosticArray, '/diagnostics', self._report, 10)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        self._thread = threading.Thread(target=self._executor.spin)
        self._thread.start()

    def _answer(self, answer: Vector3Stamped) -> None:
        self.heard.answers.append((nanoseconds(answer.header.stamp), time.time_ns()))

    def _report(self, report: DiagnosticArray) -> None:
        status = report.status[0]
        values = {value.key: value.value for value in status.values}
        level = int.from_bytes(status.level, 'little')
        self.heard.reports.append((time.time_ns(), level, status.message, values))

    def wait(self, done: Callable[[], Any], seconds: float = 120) -> None:
        """Until something is so."""
        deadline_s = time.monotonic() + seconds
        while not done():
            if time.monotonic() > deadline_s:
                raise SystemExit('error: the drive node must answer, did not')
            time.sleep(0.02)

    def wait_for_report(self) -> None:
        """Until the next but one report is there, which knows of all that came before."""
        count = len(self.heard.reports)
        self.wait(lambda: len(self.heard.reports) >= count + 2)

    def close(self) -> None:
        """End."""
        self._executor.shutdown()
        self._thread.join()
        self._node.destroy_node()


def environment(*, profile: bool) -> dict[str, str]:
    """That of a process, with the profile for large images or without."""
    plain = {name: value for name, value in os.environ.items() if name not in VARIABLES}
    added = profile_environment(share_path('config/fastdds.xml'), plain) if profile else {}
    if profile and not added:
        raise SystemExit('error: /dev/shm must have room for the profile, has none')
    return plain | added


@contextlib.contextmanager
def drive_node(model: Path, *, slow_ms: int = 0, **parameters: Any) -> Iterator[Any]:
    """The node, active; yields its process and what is heard of it."""
    given = {'model': model, 'device': 'cpu'} | parameters
    ros = [word for name, value in given.items() for word in ('-p', f'{name}:={value}')]
    if slow_ms:
        command = [__file__, '--role', 'slow', '--slow-ms', str(slow_ms), '--ros', *ros]
    else:
        command = ['-m', 'signattn.nodes.drive_node', '--ros-args', *ros]
    watcher = Watcher()
    process = subprocess.Popen([sys.executable, *command], env=environment(profile=False))
    try:
        watcher.wait(lambda: watcher.heard.reports and watcher.heard.values()['state'] == 'active')
        yield process, watcher
    finally:
        process.terminate()
        process.wait(60)
        watcher.close()


def film(role: str, *, profile: bool = False, **options: Any) -> dict[str, Any]:
    """Run the camera to its end; what it says."""
    command = [sys.executable, __file__, '--role', role]
    for name, value in options.items():
        words = value if isinstance(value, tuple) else (value,)
        command += [f'--{name}', *map(str, words)]
    env = environment(profile=profile)
    ended = subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE)
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return told


def percentiles(values: np.ndarray) -> tuple[float, float]:
    """Median and 99th percentile."""
    p50, p99 = np.percentile(values, (50, 99))
    return float(p50), float(p99)


def memory_mb(process: Any) -> float:
    """Resident memory."""
    status = Path(f'/proc/{process.pid}/status').read_text(encoding='utf-8')
    line = next(line for line in status.splitlines() if line.startswith('VmRSS'))
    return int(line.split()[1]) * 1024 / MB


def open_files(process: Any) -> int:
    """Descriptors."""
    return len(list(Path(f'/proc/{process.pid}/fd').iterdir()))


# The parts.


def loss(options: argparse.Namespace) -> list[dict[str, Any]]:
    """How many images arrive."""
    cases = [
        (VGA, 30, 'raw', False),
        (VGA, 30, 'raw', True),
        (VGA, 30, 'compressed', False),
        (FULL_HD, 20, 'raw', False),
        (FULL_HD, 20, 'raw', True),
        (FULL_HD, 20, 'compressed', False),
    ]
    rows = []
    for size, hz, transport, profile in cases:
        with drive_node(share_path('models/demo'), image_transport=transport) as (_, watcher):
            camera = {'size': size, 'hz': hz, 'transport': transport, 'frames': options.frames}
            sent = film('camera', profile=profile, **camera)['sent']
            watcher.wait_for_report()
            values = watcher.heard.values()
        received = int(values['received'])
        case = {'size': f'{size[1]}×{size[0]}', 'hz': hz, 'transport': transport}
        counts = {'sent': sent, 'received': received, 'missed': int(values.get('missed', 0))}
        rows.append(case | {'profile': profile} | counts | {'received_share': received / sent})
    return rows


def paper_model(folder: Path) -> Path:
    """A checkpoint of paper size, untrained."""
    torch.manual_seed(0)
    contract = Preprocessing(aspect_ratio=4 / 3).to_mapping()
    network = Network(NetworkConfig()).eval()
    network.curvature_scale.fill_(0.01)
    save(Checkpoint(network, contract, load_vehicle(), name='paper'), folder)
    return folder


def latency(options: argparse.Namespace) -> list[dict[str, Any]]:
    """How long an answer takes, and how much of that is not the network."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        models = {'demo': share_path('models/demo'), 'paper': paper_model(Path(folder))}
        for name, model in models.items():
            with drive_node(model) as (_, watcher):
                camera = {'size': VGA, 'hz': 20, 'frames': options.frames}
                film('camera', profile=True, **camera)
                watcher.wait_for_report()
                heard = watcher.heard
            p50, p99 = percentiles(heard.latencies_ms())
            said = heard.values()
            inference = float(said['inference p50 [ms]'])
            row = {'model': name, 'answered': len(heard.answers), 'latency_ms_p50': p50}
            row |= {'latency_ms_p99': p99, 'inference_ms_p50': inference}
            row |= {f'pipeline_ms_{p}': float(said[f'pipeline {p} [ms]']) for p in ('p50', 'p99')}
            rows.append(row | {'besides_ms_p50': p50 - inference})
    return rows


def overload(options: argparse.Namespace) -> list[dict[str, Any]]:
    """What a network of 100 ms makes of a camera at 30 Hz."""
    with drive_node(share_path('models/demo'), slow_ms=100) as (process, watcher):
        film('camera', profile=True, size=VGA, hz=30, frames=options.frames // 4)
        before_mb = memory_mb(process)
        sent = film('camera', profile=True, size=VGA, hz=30, frames=options.frames)['sent']
        watcher.wait_for_report()
        grown_mb = memory_mb(process) - before_mb
        heard = watcher.heard
    p50, p99 = percentiles(heard.latencies_ms())
    counts = ('received', 'answered', 'skipped', 'missed')
    row: dict[str, Any] = {'sent': sent + options.frames // 4}
    row |= {name: int(heard.values()[name]) for name in counts}
    return [row | {'age_ms_p50': p50, 'age_ms_p99': p99, 'memory_grown_mb': grown_mb}]


def trouble(_: argparse.Namespace) -> list[dict[str, Any]]:
    """What the node says to all that goes wrong, and whether it answers after it."""
    rows = []
    with drive_node(share_path('models/demo')) as (process, watcher):
        phases = film('trouble', profile=True)
        watcher.wait_for_report()
        alive = process.poll() is None
        heard = watcher.heard
    for name, (began, ended, over) in phases.items():
        during = [answer for answer in heard.answers if began <= answer[1] < ended]
        after = [answer for answer in heard.answers if ended <= answer[1] < over]
        said = [report for report in heard.reports if began <= report[0] < over]
        worst = max(said, key=lambda report: report[1], default=(0, 0, '', {}))
        row = {'trouble': name, 'answers_during': len(during), 'answers_in_2_s_after': len(after)}
        rows.append(row | {'alive': alive, 'level': worst[1], 'said': worst[2][:60]})
    return rows


def soak(options: argparse.Namespace) -> list[dict[str, Any]]:
    """Memory and open files over time."""
    samples: list[tuple[float, float, int]] = []
    over = threading.Event()
    with drive_node(share_path('models/demo')) as (process, watcher):

        def sample() -> None:
            began_s = time.monotonic()
            while not over.wait(SAMPLE_EVERY_S):
                passed_s = time.monotonic() - began_s
                samples.append((passed_s, memory_mb(process), open_files(process)))

        sampling = threading.Thread(target=sample)
        sampling.start()
        try:
            frames = round(options.minutes * 60 * 30)
            film('camera', profile=True, size=VGA, hz=30, frames=frames)
        finally:
            over.set()
            sampling.join()
        watcher.wait_for_report()
        values = watcher.heard.values()
    settled = [one for one in samples if one[0] >= options.settle_s]
    first = settled[0]
    row: dict[str, Any] = {'minutes': options.minutes, 'answered': int(values['answered'])}
    row |= {'memory_mb': first[1], 'memory_grown_mb': max(one[1] for one in settled) - first[1]}
    return [row | {'files': first[2], 'files_grown': settled[-1][2] - first[2]}]


PARTS = {
    'loss': loss,
    'latency': latency,
    'overload': overload,
    'trouble': trouble,
    'soak': soak,
}


def table(rows: list[dict[str, Any]]) -> str:
    """Rows as Markdown."""

    def shown(value: Any) -> str:
        return f'{value:.2f}' if isinstance(value, float) else str(value)

    lines = [list(rows[0]), ['---'] * len(rows[0])]
    lines += [[shown(value) for value in row.values()] for row in rows]
    return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--out', type=Path, help='folder for metrics.json')
    parser.add_argument('--parts', nargs='+', choices=PARTS, default=list(PARTS))
    parser.add_argument('--frames', type=int, default=2000, help='images of a case')
    parser.add_argument('--minutes', type=float, default=30.0, help='length of soak')
    parser.add_argument('--settle-s', type=float, default=60.0, help='s before soak compares')
    for hidden in ('role', 'transport', 'ros', 'size', 'hz', 'slow-ms'):
        kind = {'size': int, 'hz': float, 'slow-ms': float}.get(hidden, str)
        many = {'ros': argparse.REMAINDER, 'size': 2}.get(hidden)
        parser.add_argument(f'--{hidden}', type=kind, nargs=many, help=argparse.SUPPRESS)
    parser.set_defaults(transport='raw')
    options = parser.parse_args()
    if options.role:
        return ROLES[options.role](options)
    if options.out is None:
        parser.error('--out must name a folder for metrics.json')
    os.environ['ROS_DOMAIN_ID'] = str(free_domain_id(os.environ.get('ROS_DOMAIN_ID', '')))
    os.environ['ROS_AUTOMATIC_DISCOVERY_RANGE'] = 'LOCALHOST'
    rclpy.init()
    results = {}
    for name in options.parts:
        results[name] = PARTS[name](options)
        print(f'\n{name}\n\n{table(results[name])}', flush=True)
        write_metrics(options.out / 'metrics.json', results)
    rclpy.shutdown()
    return 0


if __name__ == '__main__':
    sys.exit(main())
