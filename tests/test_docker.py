"""The Dockerfile and the workflow that builds it fit each other and the package."""

import re
import xml.etree.ElementTree as ET
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / 'Dockerfile').read_text(encoding='utf-8')
WORKFLOW = (ROOT / '.github/workflows/ros.yaml').read_text(encoding='utf-8')
# Come with ros-base, or with what is named.
WITH_BASE = {'geometry_msgs', 'launch', 'lifecycle_msgs', 'rcl_interfaces', 'rclpy'}
WITH_BASE |= {'rosgraph_msgs', 'std_msgs'}
NOT_IN_A_CONTAINER = {'rviz2'}


def test_the_workflow_builds_stages_that_there_are():
    stages = set(re.findall(r'^FROM \S+ AS (\w+)$', DOCKERFILE, re.MULTILINE))
    (job,) = yaml.safe_load(WORKFLOW)['jobs'].values()
    built = [re.findall(r'--target (\w+)', step.get('run', '')) for step in job['steps']]
    assert {name for names in built for name in names} == {'test'}
    assert stages == {'vehicle', 'test'}
    assert 'ARG ROS_DISTRO=' in DOCKERFILE
    assert '--build-arg ROS_DISTRO=' in WORKFLOW


def test_what_the_manifest_needs_at_run_time_is_installed():
    manifest = ET.parse(ROOT / 'package.xml')
    needed = {element.text for element in manifest.iter('exec_depend')}
    installed = set(re.findall(r'ros-\$\{ROS_DISTRO\}-([\w-]+)', DOCKERFILE))
    installed = {name.replace('-', '_') for name in installed}
    installed |= set(re.findall(r'^ +(python3-\w+)', DOCKERFILE, re.MULTILINE))
    assert needed - WITH_BASE - NOT_IN_A_CONTAINER <= installed
