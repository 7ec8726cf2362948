"""Start the drive node and the overlay node beside it, and RViz if asked for."""

import os
from pathlib import Path

from launch import LaunchContext, LaunchDescription
from launch.action import Action
from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable
from launch.conditions import IfCondition
from launch.substitutions import LaunchConfiguration, PathJoinSubstitution
from launch_ros.actions import Node
from launch_ros.substitutions import FindPackageShare

from signattn.nodes.dds import profile_environment

SHARE = FindPackageShare('signattn')
RESPAWN_DELAY_S = 2.0
ARGUMENTS = [
    DeclareLaunchArgument(
        'model',
        default_value='',
        description='Folder of the checkpoint; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'image_topic',
        default_value='image',
        description="The camera's raw topic, also with image_transport:=compressed.",
    ),
    DeclareLaunchArgument(
        'image_transport',
        default_value='',
        choices=['', 'raw', 'compressed'],
        description='raw or compressed; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'speed_topic',
        default_value='speed',
        description='Measured speed, for steering-wheel angle, limits, tyres; not needed.',
    ),
    DeclareLaunchArgument(
        'speed_type',
        default_value='',
        choices=['', 'twist', 'odometry'],
        description='twist (TwistStamped) or odometry; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'vehicle',
        default_value='',
        description='Name of a shipped vehicle or path of a vehicle file, for the drawn '
        'steering-wheel angle, limits and tyres; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'device',
        default_value='',
        description='auto, cpu, cuda or cuda:N; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'max_age',
        default_value='',
        description='s. Older images are dropped, 0 for none; empty for what params_file says.',
    ),
    DeclareLaunchArgument(
        'namespace',
        default_value='',
        description='Namespace of all nodes and relative topics.',
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
        description='Take the time from /clock, as when a bag plays.',
    ),
    DeclareLaunchArgument(
        'respawn',
        default_value='true',
        choices=['true', 'false'],
        description='Start the drive node again when it ends, as when its GPU is lost.',
    ),
    DeclareLaunchArgument(
        'dds_profile',
        default_value='true',
        choices=['true', 'false'],
        description='Give Fast DDS room for large images, unless a profile is set already. '
        'The camera driver needs the same: see docs/ros.md.',
    ),
]


def set_dds_profile(context: LaunchContext) -> list[Action]:
    """Variables for the nodes that start next."""
    profile = Path(SHARE.perform(context)) / 'config' / 'fastdds.xml'
    variables = profile_environment(profile, os.environ)
    return [SetEnvironmentVariable(name, value) for name, value in variables.items()]


def start_nodes(context: LaunchContext) -> list[Action]:
    """The nodes, with the parameters that were named on the command line."""
    both = ('image_transport', 'speed_type', 'vehicle')
    return [
        node(context, 'drive_node', 'signattn', ('model', 'device', 'max_age', *both)),
        node(context, 'overlay_node', 'overlay', both),
    ]


def node(context: LaunchContext, executable: str, name: str, arguments: tuple[str, ...]) -> Node:
    """One node; arguments left empty leave the parameter file its say."""
    values = {name: LaunchConfiguration(name).perform(context) for name in arguments}
    named = {name: value for name, value in values.items() if value}
    if 'max_age' in named:
        named['max_age'] = float(named['max_age'])
    sim_time = LaunchConfiguration('use_sim_time').perform(context) == 'true'
    return Node(
        package='signattn',
        executable=executable,
        name=name,
        namespace=LaunchConfiguration('namespace'),
        parameters=[LaunchConfiguration('params_file'), named | {'use_sim_time': sim_time}],
        remappings=[
            ('image', LaunchConfiguration('image_topic')),
            ('speed', LaunchConfiguration('speed_topic')),
        ],
        output='screen',
        # It ends with an error when its GPU is lost, which only a new process gets over.
        respawn=LaunchConfiguration('respawn') if executable == 'drive_node' else False,
        respawn_delay=RESPAWN_DELAY_S,
    )


def generate_launch_description() -> LaunchDescription:
    """Called by launch."""
    topics = ('overlay', 'heatmap', 'attention', 'path')
    rviz = Node(
        package='rviz2',
        executable='rviz2',
        namespace=LaunchConfiguration('namespace'),
        arguments=['-d', PathJoinSubstitution([SHARE, 'config', 'signattn.rviz'])],
        # Absolute in the file; relative here, so that they follow the namespace.
        remappings=[(f'/signattn/{topic}', f'signattn/{topic}') for topic in topics],
        condition=IfCondition(LaunchConfiguration('rviz')),
    )
    return LaunchDescription(
        [
            *ARGUMENTS,
            OpaqueFunction(
                function=set_dds_profile,
                condition=IfCondition(LaunchConfiguration('dds_profile')),
            ),
            OpaqueFunction(function=start_nodes),
            rviz,
        ]
    )
