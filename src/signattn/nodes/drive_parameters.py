"""Parameters of the drive node."""

from signattn.nodes.parameters import IMAGE_TRANSPORT, NodeParameter
from signattn.nodes.speed import SPEED_TYPE
from signattn.stream import BACKENDS, WEIGHTS

PARAMETERS = (
    NodeParameter('autostart', True, 'Configure and activate at start, without a manager.'),
    NodeParameter('model', '', 'Folder of the checkpoint; empty for the shipped demo model.'),
    NodeParameter('device', 'auto', 'Where the network runs: auto, cpu, cuda or cuda:N.'),
    NodeParameter(
        'backend',
        'auto',
        'What runs the network; auto takes what answers soonest when the node is configured, and '
        'the log says which.',
        choices=BACKENDS,
    ),
    NodeParameter(
        'weights',
        'fp32',
        'int8 rounds the weights of LSTM and gate: a third of the time to read them. With onnx.',
        choices=WEIGHTS,
    ),
    NodeParameter(
        'threads',
        1,
        'CPU threads of the network and of OpenCV. More help a network of the size of the paper, '
        'where the cores are free; where other programs want them, an image waits for the last.',
        lower=1,
        upper=64,
    ),
    IMAGE_TRANSPORT,
    NodeParameter(
        'max_age',
        0.5,
        's. Images older than this by the clock of the node are dropped; 0 for no limit.',
        lower=0,
        upper=3600,
        live=True,
    ),
    NodeParameter(
        'max_gap',
        0.5,
        's. A longer gap between two stamps resets the state of the network.',
        lower=0.01,
        upper=60,
        live=True,
    ),
    NodeParameter(
        'path_length',
        30.0,
        'm. Length of the arc that ~/path shows.',
        lower=1,
        upper=1000,
        live=True,
    ),
    NodeParameter('publish_cmd', False, 'Publish ~/cmd.'),
    NodeParameter(
        'publish_ackermann',
        False,
        'Publish ~/ackermann, the angle of the tyres; needs the package ackermann_msgs.',
    ),
    NodeParameter(
        'cmd_speed',
        0.0,
        'm/s. Speed in ~/cmd and ~/ackermann, never the measured one; the yaw rate is '
        'cmd_speed · curvature.',
        lower=0,
        upper=100,
        live=True,
    ),
    NodeParameter(
        'vehicle',
        '',
        'Name of a shipped vehicle or path of a vehicle file, for limits and ~/ackermann; empty '
        'for the one of the model.',
    ),
    SPEED_TYPE,
    NodeParameter(
        'limit_curvature',
        False,
        'Bound the curvature by max_tyre_angle and max_lateral_acceleration.',
        live=True,
    ),
    NodeParameter(
        'max_tyre_angle',
        0.5,
        'rad. The most that the front wheels turn.',
        lower=0.01,
        upper=1.5,
        live=True,
    ),
    NodeParameter(
        'max_lateral_acceleration',
        4.0,
        'm/s². The most in a bend, at the measured speed, else at cmd_speed.',
        lower=0.1,
        upper=30,
        live=True,
    ),
    NodeParameter(
        'limit_rate', False, 'Bound the change of the curvature by max_curvature_rate.', live=True
    ),
    NodeParameter(
        'max_curvature_rate',
        0.2,
        '1/(m·s). The most that the curvature changes from answer to answer.',
        lower=0.001,
        upper=10,
        live=True,
    ),
    NodeParameter(
        'stale_after',
        1.0,
        's. Without an image for so long the diagnostics say STALE.',
        lower=0.05,
        upper=60,
        live=True,
    ),
    NodeParameter(
        'error_after',
        1.0,
        's. With images and no answer for so long they say ERROR, for a model slower than 2 Hz '
        'after two of its steps.',
        lower=0.05,
        upper=60,
        live=True,
    ),
    NodeParameter(
        'warn_rate',
        0.8,
        'They say WARN of a camera slower than this share of the rate of the model.',
        lower=0,
        upper=1,
        live=True,
    ),
    NodeParameter(
        'warn_aspect',
        0.02,
        'They say WARN of an aspect ratio that differs relatively by more from that in training.',
        lower=0,
        upper=10,
        live=True,
    ),
    NodeParameter(
        'warn_latency',
        0.1,
        's. They say WARN where 1 % of the answers take longer from image to curvature.',
        lower=0.001,
        upper=60,
        live=True,
    ),
)
