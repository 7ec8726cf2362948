"""What a picture costs before the network has it: decoding a JPEG, shrinking by area averages.

    python benchmarks/picture.py [--repeats 40]

Pictures with shades and some noise, of usual sizes and of 1920×1080 with rows cut off. Times of
the processor, one thread, in ms, medians; the two ways of shrinking take turns and are compared.
"""

import argparse
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import cv2
import numpy as np

from signattn.preprocess import HEIGHT, WIDTH, Image, decode_compressed
from signattn.shrink import shrink

SIZES = (
    *((640, 480), (800, 600), (1024, 768), (1280, 960), (1280, 1024), (1440, 1080)),
    *((1920, 810), (1920, 1080), (1920, 1200), (2048, 1536)),
)


def picture(width: int, height: int) -> Image:
    """Shades of a few colours with noise."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (9, 16, 3), np.uint8)
    shades = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(shades // 2 + rng.integers(0, 8, shades.shape, np.uint8), np.uint8)


def spent(call: Callable[..., Image], argument: object) -> tuple[float, Image]:
    """A call's time in ms, and what it gives."""
    start = time.thread_time_ns()
    result = call(argument)
    return (time.thread_time_ns() - start) / 1e6, result


def row(width: int, height: int, repeats: int) -> str:
    """One line of the table; each picture comes fresh from the decoder."""
    jpeg = cv2.imencode('.jpg', picture(width, height), (cv2.IMWRITE_JPEG_QUALITY, 90))[
        1
    ].tobytes()
    plain = partial(cv2.resize, dsize=(WIDTH, HEIGHT), interpolation=cv2.INTER_AREA)
    ours = partial(shrink, height=HEIGHT, width=WIDTH)
    times = []
    for _ in range(repeats):
        plain_ms, want = spent(plain, decode_compressed(jpeg))
        decode_ms, image = spent(decode_compressed, jpeg)
        ours_ms, got = spent(ours, image)
        times.append((plain_ms, ours_ms, decode_ms))
        if not np.array_equal(want, got):
            raise ValueError(f'{width}×{height}: the ways of shrinking must agree')
    medians = ' | '.join(f'{median(each):.2f}' for each in zip(*times, strict=True))
    return f'| {width}×{height} | {width / WIDTH:g} × {height / HEIGHT:g} | {medians} |'


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.partition('\n')[0])
    parser.add_argument('--repeats', type=int, default=40)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    print('| picture | shrunk by | OpenCV | signattn | JPEG |', '|---|---|---|---|---|', sep='\n')
    for width, height in SIZES:
        print(row(width, height, args.repeats))


if __name__ == '__main__':
    main()
