"""Mutates bags and folders of every kind, and reads each in a process of its own.

Run by itself: ``python tests/bag/fuzz.py --cases 5000`` prints how the cases ended, as JSON. What
must not happen are ends called ``foreign`` (an error that isn't ours), ``crash`` (a signal) and
``hang`` (more than 10 s); memory is limited to 2 GB. A case is its number: the same number mutates
in the same way. ``--first N --cases 1 --keep DIR`` shows case N and keeps its bag.
"""

import argparse
import json
import os
import random
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections import Counter
from pathlib import Path

import cv2
import numpy as np
from mcap.writer import CompressionType
from mcap.writer import Writer as McapWriter
from rosbags import rosbag1, rosbag2

from signattn.bag import BagError, BagWriter, Selection, open_recording
from signattn.bag.storage import Storage
from signattn.preprocess import ImageError

MEMORY_BYTES = 2 * 10**9
TIME_S = 10
START = 1_479_425_441_000_000_000  # ns
STEP = 50_000_000  # ns
PICTURES = 8
READ, REFUSED, FOREIGN, UNREADABLE_PICTURES = 0, 3, 4, 5
OUTCOMES = {
    READ: 'read',
    UNREADABLE_PICTURES: 'read, pictures refused',
    REFUSED: 'refused',
    FOREIGN: 'foreign',
}


# Bags to begin with


def picture(i):
    return np.random.default_rng(i).integers(0, 256, (8, 12, 3), np.uint8)


class Writer(BagWriter):
    """Writes bags of one kind."""

    def __init__(self, path, kind, packing=None):
        super().__init__(path, kind)
        self.packing = packing

    def _open(self, path):
        if self.format == 'ros1':
            writer = rosbag1.Writer(path)
            writer.chunk_threshold = 2000
            if self.packing:
                writer.set_compression(rosbag1.Writer.CompressionFormat[self.packing])
        else:
            plugin = rosbag2.StoragePlugin[self.format.upper()]
            writer = rosbag2.Writer(path, version=8, storage_plugin=plugin)
            if self.packing:
                mode = rosbag2.CompressionMode[self.packing]
                writer.set_compression(mode, rosbag2.CompressionFormat.ZSTD)
        return writer.__enter__()


def bag(path, kind, packing=None):
    with Writer(path, kind, packing) as writer:
        for i in range(PICTURES):
            stamp = START + i * STEP
            writer.image(stamp, picture(i))
            writer.raw_image(stamp, picture(i), topic='/left_camera/image_color')
            writer.steering(stamp, i / 8, 10.0)


class Silent:
    def note(self, text):
        raise AssertionError(text)

    lose = note


def mcap(path, source, compression, **options):
    """The messages of another bag in an mcap file of another make."""
    writer = McapWriter(str(path), 2000, CompressionType[compression], **options)
    writer.start('ros2', '')
    channels = {}
    for raw in Storage(source, Silent()).messages():
        if raw.topic not in channels:
            text = raw.definition.data.encode()
            schema = writer.register_schema(raw.type, 'ros2msg', text)
            channels[raw.topic] = writer.register_channel(raw.topic, 'cdr', schema)
        writer.add_message(channels[raw.topic], raw.received_ns, raw.data, raw.received_ns)
    writer.finish()


def pictures(folder, names):
    folder.mkdir(parents=True)
    for i, name in enumerate(names):
        cv2.imwrite(str(folder / name), picture(i))


def write_bags(folder):
    """One bag of every kind."""
    for packing in (None, 'BZ2', 'LZ4'):
        bag(folder / f'ros1-{packing}.bag', 'ros1', packing)
    for packing in (None, 'FILE', 'MESSAGE'):
        bag(folder / f'sqlite3-{packing}', 'sqlite3', packing)
    for packing in (None, 'STORAGE', 'MESSAGE'):
        bag(folder / f'mcap-{packing}', 'mcap', packing)
    for compression in ('NONE', 'LZ4', 'ZSTD'):
        mcap(folder / f'chunks-{compression}.mcap', folder / 'mcap-None', compression)
    mcap(folder / 'bare.mcap', folder / 'mcap-None', 'NONE', use_chunking=False)
    names = [f'{START + i * STEP}.jpg' for i in range(PICTURES)]
    pictures(folder / 'table' / 'center', names)
    rows = [f'{name[:-4]},12,8,center_camera,center/{name},0.1,10' for name in names]
    head = 'timestamp,width,height,frame_id,filename,angle,speed'
    (folder / 'table' / 'interpolated.csv').write_text('\n'.join([head, *rows, '']))
    names = [f'center_2016_12_01_13_30_48_{i}00.jpg' for i in range(PICTURES)]
    pictures(folder / 'simulator' / 'IMG', names)
    rows = [f'IMG/{name},,,0.1,0.5,0,20.0' for name in names]
    (folder / 'simulator' / 'driving_log.csv').write_text('\n'.join([*rows, '']))


# Mutations


def flip(data, draw):
    for _ in range(draw.choice((1, 1, 2, 8, 50))):
        data[draw.randrange(len(data))] ^= 1 << draw.randrange(8)


def cut(data, draw):
    del data[draw.randrange(len(data)) :]


def take_out(data, draw):
    begin = draw.randrange(len(data))
    del data[begin : begin + draw.choice((1, 4, 100, 2000))]


def insert(data, draw):
    at = draw.randrange(len(data))
    data[at:at] = draw.randbytes(draw.choice((1, 4, 100, 2000)))


def blank(data, draw):
    begin, size = draw.randrange(len(data)), draw.choice((4, 100, 512, 4096))
    data[begin : begin + size] = bytes(len(data[begin : begin + size]))


def swap(data, draw):
    size = draw.choice((4, 100, 512))
    a, b = draw.randrange(len(data)), draw.randrange(len(data))
    first, second = data[a : a + size], data[b : b + size]
    data[a : a + len(second)], data[b : b + len(first)] = second, first


def repeat(data, draw):
    begin, size = draw.randrange(len(data)), draw.choice((100, 1000, 10_000))
    data[begin:begin] = data[begin : begin + size]


def claim(data, draw):
    """Write an extreme number over a small one, which may be a length or a count."""
    width = draw.choice((2, 4, 8))
    places = [i for i in range(len(data) - width) if not any(data[i + 2 : i + width])]
    number = draw.choice((0, 1, 2**15, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**64 - 1))
    if places:
        at = draw.choice(places)
        data[at : at + width] = (number % 2 ** (8 * width)).to_bytes(width, 'little')


MUTATIONS = (flip, cut, take_out, insert, blank, swap, repeat, claim, claim, claim)


def mutate(path, draw):
    """Change a bag, or any file in its folder."""
    files = sorted(file for file in path.rglob('*') if file.is_file()) or [path]
    for _ in range(draw.choice((1, 1, 1, 2, 4))):
        file = draw.choice(files)
        if len(files) > 1 and draw.random() < 0.03:
            file.unlink(missing_ok=True)
        elif file.exists() and file.stat().st_size:
            data = bytearray(file.read_bytes())
            draw.choice(MUTATIONS)(data, draw)
            file.write_bytes(data)


# Reading


def read_all(path, *, strict):
    """Everything that a conversion reads, twice; damage counts once."""
    refused, damage = False, []
    with open_recording(path, Selection(strict=strict), tolerant=True) as recording:
        for _ in range(2):
            recording.signals()
            recording.times()
            if recording.image_topic:
                for image in recording.images():
                    try:
                        image.rgb()
                    except ImageError:  # noqa: PERF203 (one picture at a time)
                        refused = True
            damage.append(len(recording.damage))
    if damage[0] != damage[1]:
        raise AssertionError(f'{damage[1]} damages at the second time, {damage[0]} at the first')
    return UNREADABLE_PICTURES if refused else READ


def attempt(path, *, strict):
    try:
        return read_all(path, strict=strict)
    except BagError:
        return REFUSED
    except BaseException:  # noqa: BLE001 (what is looked for)
        traceback.print_exc()
        return FOREIGN


def in_child(path, *, strict):
    """How reading ends, in a process with little memory and time."""
    child = os.fork()
    if child == 0:
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
        signal.alarm(TIME_S)
        code = attempt(path, strict=strict)
        sys.stderr.flush()
        os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return 'hang' if os.WTERMSIG(status) == signal.SIGALRM else 'crash'
    return OUTCOMES.get(os.WEXITSTATUS(status), 'crash')


def run(first, cases, folder, keep):
    originals = folder / 'originals'
    originals.mkdir()
    write_bags(originals)
    names = sorted(path.name for path in originals.iterdir())
    os.environ['TMPDIR'] = str(folder / 'unpacked')
    Path(os.environ['TMPDIR']).mkdir()
    tempfile.tempdir = None
    ends = Counter()
    failed = []
    for case in range(first, first + cases):
        draw = random.Random(case)
        name = names[case % len(names)]
        path = folder / 'case' / name
        path.parent.mkdir()
        copy = shutil.copytree if (originals / name).is_dir() else shutil.copy
        copy(originals / name, path)
        mutate(path, draw)
        end = in_child(path, strict=draw.random() < 0.2) if path.exists() else 'refused'
        ends[end] += 1
        if sum(ends.values()) % 250 == 0:
            print(f'{sum(ends.values())} cases', file=sys.stderr, flush=True)  # noqa: T201 (a program)
        if end in ('foreign', 'crash', 'hang'):
            failed.append([case, name, end])
            print(f'case {case}: {name}: {end}', file=sys.stderr, flush=True)  # noqa: T201 (as above)
        if keep:
            shutil.copytree(path.parent, keep / str(case))
        shutil.rmtree(path.parent)
        shutil.rmtree(os.environ['TMPDIR'])
        Path(os.environ['TMPDIR']).mkdir()
    return {'ends': dict(sorted(ends.items())), 'failed': failed}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--first', type=int, default=0, help='number of the first case')
    parser.add_argument('--cases', type=int, default=5000, help='how many')
    parser.add_argument('--keep', type=Path, help='folder to keep the mutated bags in')
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory(prefix='fuzz-') as folder:
        result = run(arguments.first, arguments.cases, Path(folder), arguments.keep)
    print(json.dumps(result))  # noqa: T201 (as above)


if __name__ == '__main__':
    main()
