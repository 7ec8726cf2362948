"""Play a recording to the nodes of drive.launch.py, as time passes, and end with it."""

from launch import LaunchDescription
from launch.actions import DeclareLaunchArgument, IncludeLaunchDescription, Shutdown
from launch.launch_description_sources import PythonLaunchDescriptionSource
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue
from launch_ros.substitutions import FindPackageShare

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
        'image_transport',
        default_value='compressed',
        choices=['raw', 'compressed'],
        description='How the recording holds its images; image folders are compressed.',
    ),
    DeclareLaunchArgument(
        'rate', default_value='1.0', description='Speed of playing, 2.0 is twice as fast.'
    ),
    DeclareLaunchArgument(
        'model',
        default_value='',
        description='Folder of the checkpoint; empty for the demo model.',
    ),
    DeclareLaunchArgument(
        'vehicle',
        default_value='',
        description='Name of a shipped vehicle or path of a vehicle file; empty for lincoln_mkz.',
    ),
    DeclareLaunchArgument(
        'device', default_value='', description='auto, cpu, cuda or cuda:N; empty for auto.'
    ),
    DeclareLaunchArgument(
        'namespace', default_value='', description='Namespace of all nodes and topics.'
    ),
    DeclareLaunchArgument(
        'rviz',
        default_value='false',
        choices=['true', 'false'],
        description='Show overlay, attention and path in RViz.',
    ),
]


def generate_launch_description() -> LaunchDescription:
    """Called by launch."""
    handed_on = ('model', 'vehicle', 'device', 'namespace', 'rviz', 'image_transport')
    drive = IncludeLaunchDescription(
        PythonLaunchDescriptionSource(
            PathJoinSubstitution([FindPackageShare('signattn'), 'launch', 'drive.launch.py'])
        ),
        # A recording is as old as it is: no limit to the age of its images.
        launch_arguments=[(name, LaunchConfiguration(name)) for name in handed_on]
        + [('max_age', '0.0')],
    )
    camera = Node(
        package='signattn',
        executable='replay_node',
        name='replay',
        namespace=LaunchConfiguration('namespace'),
        parameters=[
            {
                'source': ParameterValue(LaunchConfiguration('bag'), value_type=str),
                'image_topic': ParameterValue(LaunchConfiguration('camera'), value_type=str),
                'rate': ParameterValue(LaunchConfiguration('rate'), value_type=float),
            }
        ],
        output='screen',
        on_exit=[Shutdown(reason='the recording is over')],
    )
    return LaunchDescription([*ARGUMENTS, drive, camera])
