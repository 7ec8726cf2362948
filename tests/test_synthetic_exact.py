"""A seed gives the identical drive, whatever the processor is able to do."""

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from signattn.synthetic.exact import cos, on_grid, plain_opencv, remap, sin, warp_affine

DRAW = """
import hashlib, sys
import cv2
from signattn.synthetic import SynthConfig, SynthDrive
cv2.setNumThreads(int(sys.argv[1]))
look = {'width': 128, 'height': 96, 'duration': 0.5, 'seed': 7}
for options in (
    {'masks': 'geometry'},
    {'fov_deg': 60.0, 'distortion': (-0.2, 0.03), 'bonnet': 0.15, 'shutter_ms': 10.0,
     'exposure': 'auto', 'gain_noise': 1.0, 'saturation': 1.3, 'light': 'dusk', 'trucks': 0.5},
    {'grey': True, 'weather': 'rain', 'lead': 0.5},
):
    drive = SynthDrive(SynthConfig(**look, **options))
    course = drive.course
    digest = hashlib.sha256()
    for values in (course.x, course.y, course.z, course.steering_angle, course.speed):
        digest.update(values.tobytes())
    for index in (0, 3, 9):
        frame = drive.frame(index)
        digest.update(frame.image.tobytes())
        digest.update(b'' if frame.mask is None else frame.mask.tobytes())
        digest.update(cv2.imencode('.jpg', frame.image)[1].tobytes())
    print(digest.hexdigest())
"""


def drawn(threads, **environment):
    """Digests of what is drawn in a process of its own."""
    run = subprocess.run(
        [sys.executable, '-c', DRAW, str(threads)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.fixture(scope='module')
def usual():
    return drawn(2)


def dispatched():
    """Instruction sets that NumPy chooses among when it runs."""
    return ' '.join(np._core._multiarray_umath.__cpu_dispatch__)


@pytest.mark.parametrize(
    ('threads', 'environment'),
    [
        (1, {}),
        (
            2,
            {
                'NPY_DISABLE_CPU_FEATURES': dispatched(),
                'OPENBLAS_CORETYPE': 'Prescott',
                'GLIBC_TUNABLES': 'glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4,-AVX512F',
            },
        ),
        (
            2,
            {
                'OPENCV_CPU_DISABLE': 'SSE4.1,SSE4.2,AVX,FP16,AVX2,FMA3,AVX512-SKX',
                'OPENCV_IPP': 'disabled',
                'JSIMD_FORCENONE': '1',
            },
        ),
    ],
    ids=['one thread', 'plain numpy', 'plain opencv'],
)
def test_drives_do_not_depend_on_threads_or_instruction_sets(usual, threads, environment):
    assert len(usual) == 3
    assert drawn(threads, **environment) == usual


def test_a_grid_swallows_the_last_bits():
    assert on_grid([0.1 + 0.2, 0.3], 40).tolist() == [on_grid(0.3, 40).item()] * 2
    assert on_grid([0.26, -0.26, 7.0], 2).tolist() == [0.25, -0.25, 7.0]


def test_sines_are_exact_to_their_grid():
    angle = np.linspace(-4, 4, 1001)
    np.testing.assert_allclose(sin(angle), np.sin(angle), atol=2**-25)
    np.testing.assert_allclose(cos(angle), np.cos(angle), atol=2**-25)
    assert (sin(angle) * 2**24 % 1 == 0).all()


@pytest.mark.parametrize('optimized', [True, False])
def test_opencv_is_plain_in_the_block_and_as_before_behind_it(optimized):
    before = cv2.useOptimized()
    cv2.setUseOptimized(optimized)
    try:
        with plain_opencv():
            assert not cv2.useOptimized()
        with pytest.raises(RuntimeError, match='inside'), plain_opencv():
            raise RuntimeError('inside')
        assert cv2.useOptimized() == optimized
    finally:
        cv2.setUseOptimized(before)


def test_pictures_are_shifted_as_by_opencv():
    picture = np.random.default_rng(0).integers(0, 256, (20, 30, 4), np.uint8)
    matrix = np.array([[1.0, 0, -3], [0, 1, -2]])
    np.testing.assert_array_equal(warp_affine(picture, matrix, (20, 10)), picture[2:12, 3:23])
    column, row = np.meshgrid(
        np.arange(3, 23, dtype=np.float32), np.arange(2, 12, dtype=np.float32)
    )
    shifted = remap(picture, column, row, cv2.INTER_LINEAR)
    np.testing.assert_array_equal(shifted, picture[2:12, 3:23])
