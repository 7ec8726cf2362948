"""Recordings in, recordings out: the only code that knows bags, and the only rosbags import.

``open_recording`` reads ROS 1 and ROS 2 bags and image folders through one interface;
``BagWriter`` writes bags with the topics of the Udacity car.
"""

from signattn.bag.find import find_recordings
from signattn.bag.open import open_recording
from signattn.bag.order import in_order
from signattn.bag.recording import (
    BagError,
    CameraImage,
    Damage,
    Quantity,
    Recording,
    Series,
    Signals,
    Times,
    Topic,
)
from signattn.bag.selection import Selection
from signattn.bag.writer import BagWriter

__all__ = [
    'BagError',
    'BagWriter',
    'CameraImage',
    'Damage',
    'Quantity',
    'Recording',
    'Selection',
    'Series',
    'Signals',
    'Times',
    'Topic',
    'find_recordings',
    'in_order',
    'open_recording',
]
