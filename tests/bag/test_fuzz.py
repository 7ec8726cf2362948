"""A few of the mutated bags of fuzz.py, which reads thousands when run by itself."""

import json
import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name('fuzz.py')


def fuzz(folder, first, cases):
    command = [sys.executable, str(PROGRAM), f'--first={first}', f'--cases={cases}']
    environment = os.environ | {'TMPDIR': str(folder)}
    run = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert run.returncode == 0, run.stderr
    result = json.loads(run.stdout)
    assert result['failed'] == [], run.stderr
    assert sum(result['ends'].values()) == cases
    return result['ends']


def test_mutated_bags_are_read_or_refused(tmp_path):
    ends = fuzz(tmp_path, 0, 200)
    assert min(ends['read'], ends['refused']) > 10
