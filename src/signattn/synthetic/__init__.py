"""Drives along made-up roads with known geometry, as pictures and as bags."""

from signattn.synthetic.camera_config import CameraConfig, idle, load_camera
from signattn.synthetic.config import SynthConfig
from signattn.synthetic.render import SynthDrive, SynthFrame, frames
from signattn.synthetic.write import masks_path, synth

__all__ = [
    'CameraConfig',
    'SynthConfig',
    'SynthDrive',
    'SynthFrame',
    'frames',
    'idle',
    'load_camera',
    'masks_path',
    'synth',
]
