"""Play a recording to the nodes of drive.launch.py, as time passes, and end with it."""

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import (
    DeclareLaunchArgument,
    IncludeLaunchDescription,
    OpaqueFunction,
    Shutdown,
)
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

SHARE = FindPackageShare('signattn')
CLOCK_HZ = 100.0
ARGUMENTS = [
    DeclareLaunchArgument(
        'bag',
        description='Recording to play: a ROS 1 or ROS 2 bag, or a folder with interpolated.csv.',
    ),
    DeclareLaunchArgument(
        'camera',
        default_value='',
        description='Camera topic of the recording; empty to find it by type.',
    ),
    DeclareLaunchArgument(
        'rate', default_value='1.0', description='Speed of playing, 2.0 is twice as fast.'
    ),
    DeclareLaunchArgument(
        'start', default_value='0.0', description='s of the recording to leave out.'
    ),
    DeclareLaunchArgument(
        'loop',
        default_value='false',
        choices=['true', 'false'],
        description='Begin anew at the end of the recording.',
    ),
    DeclareLaunchArgument(
        'assume_speed',
        default_value='0.0',
        description='m/s, of a recording without speed, to draw what was driven; 0 for unknown.',
    ),
    DeclareLaunchArgument(
        'model',
        default_value='',
        description='Folder of the checkpoint; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'vehicle',
        default_value='',
        description='Name of a shipped vehicle or path of a vehicle file; empty for what '
        'params_file says.',
    ),
    DeclareLaunchArgument(
        'device',
        default_value='',
        description='auto, cpu, cuda or cuda:N; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of all nodes and topics.'
    ),
    DeclareLaunchArgument(
        'params_file',
        default_value=PathJoinSubstitution([SHARE, 'config', 'drive.yaml']),
        description='ROS parameters of all nodes.',
    ),
    DeclareLaunchArgument(
        'rviz',
        default_value='false',
        choices=['true', 'false'],
        description='Show overlay, attention and path in RViz.',
    ),
    DeclareLaunchArgument(
        'use_sim_time',
        default_value='false',
        choices=['true', 'false'],
        description='Publish /clock and let the nodes take the time from it, so that old images '
        'are dropped as on a vehicle; else images have no limit of age.',
    ),
]


def play(context: LaunchContext) -> list[Action]:
    """The nodes of the vehicle, and the player; images go as the recording holds them."""
    # What reads recordings isn't needed to show the arguments.
    from signattn.bag import Selection, open_recording  # noqa: PLC0415
    from signattn.nodes.transport import transport  # noqa: PLC0415

    bag, camera, sim_time, vehicle = (
        LaunchConfiguration(name).perform(context)
        for name in ('bag', 'camera', 'use_sim_time', 'vehicle')
    )
    with open_recording(bag, Selection(image_topic=camera or None)) as recording:
        sent = transport(recording)
    handed_on = ('model', 'vehicle', 'device', 'namespace', 'params_file', 'rviz', 'use_sim_time')
    drive = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(PathJoinSubstitution([SHARE, 'launch', 'drive.launch.py'])),
        launch_arguments=[
            *((name, LaunchConfiguration(name)) for name in handed_on),
            ('image_transport', sent),
            ('max_age', '' if sim_time == 'true' else '0.0'),
            ('respawn', 'false'),
        ],
    )
    typed = {'rate': float, 'start': float, 'loop': bool, 'assume_speed': float}
    parameters = {
        name: ParameterValue(LaunchConfiguration(name), value_type=kind)
        for name, kind in typed.items()
    }
    parameters |= {'source': bag, 'image_topic': camera}
    parameters['clock_hz'] = CLOCK_HZ if sim_time == 'true' else 0.0
    if vehicle:
        parameters['vehicle'] = vehicle
    player = Node(
        package='signattn',
        executable='replay_node',
        name='replay',
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), parameters],
        output='screen',
        on_exit=[Shutdown(reason='the recording is over')],
    )
    return [drive, player]


def generate_launch_description() -> LaunchDescription:
    """Called by launch."""
    return LaunchDescription([*ARGUMENTS, OpaqueFunction(function=play)])
