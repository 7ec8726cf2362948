"""Drives along made-up roads with known geometry, as pictures and as bags."""

from signattn.synthetic.config import SynthConfig
from signattn.synthetic.render import SynthDrive, SynthFrame, frames
from signattn.synthetic.write import masks_path, synth

__all__ = ['SynthConfig', 'SynthDrive', 'SynthFrame', 'frames', 'masks_path', 'synth']
