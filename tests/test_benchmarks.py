"""What benchmarks measure against must go on giving our numbers."""

import importlib.util
from pathlib import Path

FOLDER = Path(__file__).parents[1] / 'benchmarks'


def test_the_plain_training_step_is_ours():
    spec = importlib.util.spec_from_file_location('train_benchmark', FOLDER / 'train.py')
    benchmark = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(benchmark)
    benchmark.check('sign', 'cpu')  # asserts, of answers and gradients
