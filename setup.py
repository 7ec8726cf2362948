"""Build of the package, for pip and for colcon (ament_python)."""

import re
from pathlib import Path

from setuptools import find_packages, setup

NAME = 'signattn'
ROOT = Path(__file__).resolve().parent

# Built for ROS 2 Jazzy; their own requirements are loose, so each one is pinned.
ROS_WHEELS = [
    'ros-rclpy[fastrtps]==7.1.6',
    'ros-sensor-msgs==5.3.6',
    'ros-geometry-msgs==5.3.6',
    'ros-nav-msgs==5.3.6',
    'ros-diagnostic-msgs==5.3.6',
    'ros-std-srvs==5.3.6',
]

ONNX = ['onnx>=1.16', 'onnxruntime>=1.20']


def version() -> str:
    """The version, read from the package without importing it."""
    text = (ROOT / 'src' / NAME / '__init__.py').read_text(encoding='utf-8')
    match = re.search(r"^__version__ = '([^']+)'$", text, re.MULTILINE)
    if match is None:
        raise ValueError(f"src/{NAME}/__init__.py must hold a line __version__ = '…', found none")
    return match.group(1)


def data_files() -> list[tuple[str, list[str]]]:
    """What goes to share/: (directory below the prefix, files relative to the root).

    Folders that hold nothing yet are left out; colcon and ROS find the package by the first two.
    """
    files = [
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
    ]
    shipped = [*ROOT.glob('config/**/*'), *ROOT.glob('launch/*.launch.py')]
    shipped += ROOT.glob('models/demo/*')
    by_folder: dict[str, list[str]] = {}
    for path in sorted(shipped):
        if path.is_file():
            relative = path.relative_to(ROOT)
            by_folder.setdefault(relative.parent.as_posix(), []).append(relative.as_posix())
    return files + [(f'share/{NAME}/{folder}', paths) for folder, paths in by_folder.items()]


setup(
    name=NAME,
    version=version(),
    description='Steering curvature and the attention behind it, from camera images, in ROS 2.',
    author='The signattn authors',
    maintainer='The signattn authors',
    maintainer_email='maintainers@signattn.invalid',
    license='Apache-2.0',
    package_dir={'': 'src'},
    packages=find_packages('src'),
    package_data={NAME: ['py.typed', 'inspection/page.html.jinja', 'report/page.html.jinja']},
    data_files=data_files(),
    python_requires='>=3.10',
    # What a vehicle needs, and no more.
    install_requires=[
        'torch>=2.4',
        'numpy>=1.26',
        'opencv-python-headless>=4.8',
        'PyYAML>=6',
        'safetensors>=0.4',
    ],
    extras_require={
        'ros': ROS_WHEELS,
        'tools': [
            'av>=13',
            'captum>=0.9',
            'Jinja2>=3.1',
            'jsonargparse[signatures]>=4.49',
            'lz4>=4',
            'matplotlib>=3.8',
            'mcap>=1.6',
            'pandas>=2.2',
            'pyarrow>=16',
            'rich>=13',
            'rosbags>=0.10.4',
            'scipy>=1.12',
            'simplejpeg>=1.7',
            'tensorboard>=2.17',
            'zstandard>=0.22',
        ],
        'dask': ['distributed>=2024.8'],
        'onnx': ONNX,
        'dev': [
            # A test starts a cluster of its own.
            'distributed>=2024.8',
            'hypothesis>=6',
            'mypy>=1.13',
            *ONNX,
            'pandas-stubs',
            'pre-commit>=4',
            # launch_testing of ROS 2 breaks pytest 9.
            'pytest>=8,<9',
            'pytest-xdist>=3.6',
            'ruff>=0.9',
            # colcon's --symlink-install fails from 80 on.
            'setuptools>=77.0.3,<80',
            'types-PyYAML',
        ],
        # colcon runs pytest only where a package asks for it under this name.
        'test': ['pytest'],
    },
    entry_points={
        'console_scripts': [
            'signattn = signattn.cli:main',
            'drive_node = signattn.nodes.__main__:drive_node',
            'overlay_node = signattn.nodes.__main__:overlay_node',
            'replay_node = signattn.nodes.__main__:replay_node',
        ],
    },
    zip_safe=False,
)
