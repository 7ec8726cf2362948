"""Parameters of replay_node."""

from signattn.nodes.parameters import NodeParameter

PARAMETERS = (
    NodeParameter('source', '', 'Bag (ROS 1 or ROS 2), or folder with interpolated.csv.'),
    NodeParameter('image_topic', '', 'Camera of the source; empty to find it by type.'),
    NodeParameter(
        'steering', '', 'Steering of the source, topic or topic:field; empty to find it by type.'
    ),
    NodeParameter('unit', '', 'Unit of steering, as of signattn convert; empty for its own.'),
    NodeParameter('speed', '', 'Speed of the source, likewise.'),
    NodeParameter('speed_unit', '', 'm/s, km/h or mph; empty for its own.'),
    NodeParameter(
        'msg_path', '', 'Folder with .msg files, for bags without definitions; empty for none.'
    ),
    NodeParameter(
        'vehicle',
        'lincoln_mkz',
        'Name of a shipped vehicle or path of a vehicle file; it turns recorded steering into the '
        'curvature that was driven.',
    ),
    NodeParameter(
        'assume_speed',
        0.0,
        'm/s, for that where the source has no speed; 0 for unknown.',
        lower=0,
        upper=100,
    ),
    NodeParameter(
        'mode',
        'realtime',
        'lockstep: the next image goes out when the last was answered. realtime: as recorded.',
        choices=('lockstep', 'realtime'),
    ),
    NodeParameter(
        'rate',
        1.0,
        'Speed of realtime, 2 is twice as fast.',
        lower=0.01,
        upper=100,
        live=True,
    ),
    NodeParameter('paused', False, 'Stand still until it is false.', live=True),
    NodeParameter('loop', False, 'Begin anew at the end, in realtime.'),
    NodeParameter('start', 0.0, 's of the source to leave out.', lower=0, upper=1e6),
    NodeParameter(
        'camera_hz',
        0.0,
        'Hz. Play the pictures that a camera of this rate would have given; 0 for those that were '
        'recorded.',
        lower=0,
        upper=1000,
    ),
    NodeParameter(
        'clock_hz',
        0.0,
        'Hz at which the time of the source goes to /clock, for use_sim_time; 0 for not at all.',
        lower=0,
        upper=1000,
    ),
    NodeParameter(
        'rate_hz',
        0.0,
        'Hz. Steps a second of the model, which decide what is expected to be answered: in '
        'lockstep other images are not sent; 0 for every image.',
        lower=0,
        upper=1000,
    ),
    NodeParameter(
        'max_gap', 0.5, 's. Longest gap between two images of one drive.', lower=0.01, upper=60
    ),
    NodeParameter(
        'timeout', 2.0, 's. An image without answer is sent again after it.', lower=0.01, upper=600
    ),
    NodeParameter(
        'resends',
        3,
        'How often an image is sent again before it counts as lost.',
        lower=0,
        upper=99,
    ),
    NodeParameter(
        'wait',
        60.0,
        's. Longest wait for a drive node; 0 to play whether there is one or not.',
        lower=0,
        upper=3600,
    ),
    NodeParameter(
        'settle',
        0.3,
        's. Pause before the first image, so that whoever listens has found this node: where '
        'several start at once that takes up to 4 s.',
        lower=0,
        upper=60,
    ),
    NodeParameter('out', '', 'Folder for answers.csv and attention.npy; empty for none.'),
)
