"""pip, colcon and the files beside the code tell the same story."""

import ast
import importlib.metadata
import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import signattn

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ('3.10', '3.11', '3.12', '3.13')


@pytest.fixture(scope='module')
def manifest():
    """package.xml as it is."""
    return ET.parse(ROOT / 'package.xml').getroot()


@pytest.fixture(scope='module')
def distribution():
    """What setup.py tells setuptools, without building anything."""
    from distutils.core import run_setup

    import setuptools  # first, so that distutils is the one that it brings

    assert setuptools
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(ROOT)
        return run_setup('setup.py', stop_after='init')


@pytest.fixture(scope='module')
def constraints():
    """constraints.txt, line by line."""
    lines = (ROOT / 'constraints.txt').read_text(encoding='utf-8').splitlines()
    return [Requirement(line) for line in lines if line and not line.startswith('#')]


@pytest.fixture(params=PYTHONS)
def pins(request, constraints):
    """What constraints.txt says to one Python: canonical name → requirement."""
    here = {'python_version': request.param}
    found = [pin for pin in constraints if pin.marker is None or pin.marker.evaluate(here)]
    by_name = {canonicalize_name(pin.name): pin for pin in found}
    assert len(by_name) == len(found), f'one line for each name on Python {request.param}'
    return by_name


def depends(manifest):
    return {
        element.text
        for tag in ('depend', 'exec_depend', 'build_depend', 'test_depend')
        for element in manifest.findall(tag)
    }


def imported(path):
    """Top-level packages that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition('.')[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module.partition('.')[0]


def test_one_version_everywhere(manifest, distribution):
    assert re.fullmatch(r'\d+\.\d+\.\d+', signattn.__version__)
    assert manifest.findtext('version') == signattn.__version__
    assert distribution.get_version() == signattn.__version__
    assert importlib.metadata.version('signattn') == signattn.__version__


def test_the_manifest_and_setup_agree(manifest, distribution):
    assert manifest.get('format') == '3'
    assert manifest.findtext('name') == distribution.get_name() == 'signattn'
    assert manifest.findtext('license') == distribution.get_license() == 'Apache-2.0'
    assert manifest.findtext('description') == distribution.get_description()
    maintainer = manifest.find('maintainer')
    assert maintainer.text == distribution.get_maintainer()
    assert maintainer.get('email') == distribution.get_maintainer_email()
    assert manifest.findtext('export/build_type') == 'ament_python'


PIP = {'torch', 'safetensors', 'rosbags'}  # have no key in rosdep
APT = {'numpy': 'python3-numpy', 'cv2': 'python3-opencv', 'yaml': 'python3-yaml'}
COMMANDS = {'ros2launch'}  # the ros2 launch that starts the launch files


def started(path):
    """Packages whose executables a launch file starts."""
    for node in ast.walk(ast.parse(path.read_text(encoding='utf-8'))):
        if isinstance(node, ast.keyword) and node.arg == 'package':
            yield node.value.value


def test_the_manifest_names_every_ros_package_in_use_and_no_other(manifest):
    launch_files = list(ROOT.glob('launch/*.py'))
    used = {name for path in launch_files for name in (*imported(path), *started(path))}
    for path in ROOT.glob('src/signattn/nodes/*.py'):
        used |= set(imported(path))
    used -= sys.stdlib_module_names | PIP | {'signattn'}
    used = {APT.get(name, name) for name in used} | COMMANDS
    assert {'rclpy', 'sensor_msgs', 'launch_ros', 'rviz2', 'python3-numpy'} <= used
    runtime = {element.text for element in manifest.findall('exec_depend')}
    assert used | set(APT.values()) == runtime


def test_the_manifest_names_every_apt_package_in_use(manifest):
    assert {'python3-numpy', 'python3-opencv', 'python3-yaml', 'python3-pytest'} <= depends(
        manifest
    )


def test_console_scripts_exist(distribution):
    scripts = dict(line.split(' = ') for line in distribution.entry_points['console_scripts'])
    assert set(scripts) == {'signattn', 'drive_node', 'overlay_node', 'replay_node'}
    for target in scripts.values():
        module, _, function = target.partition(':')
        place = ROOT / 'src' / module.replace('.', '/')
        path = place / '__init__.py' if place.is_dir() else place.with_suffix('.py')
        tree = ast.parse(path.read_text(encoding='utf-8'))
        assert function in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_every_shipped_file_is_installed_in_its_folder(distribution):
    listed = {
        (target, source) for target, sources in distribution.data_files for source in sources
    }
    shipped = [p for p in ROOT.glob('config/**/*') if p.is_file()]
    shipped += [
        *ROOT.glob('launch/*.launch.py'),
        *(p for p in ROOT.glob('models/demo/*') if p.is_file()),
    ]
    expected = {('share/ament_index/resource_index/packages', 'resource/signattn')}
    expected.add(('share/signattn', 'package.xml'))
    for path in shipped:
        relative = path.relative_to(ROOT)
        expected.add((f'share/signattn/{relative.parent.as_posix()}', relative.as_posix()))
    assert listed == expected
    assert 'config/vehicle/lincoln_mkz.yaml' in {source for _, source in listed}


def test_the_vehicle_needs_five_packages(distribution):
    names = {Requirement(text).name for text in distribution.install_requires}
    assert names == {'torch', 'numpy', 'opencv-python-headless', 'PyYAML', 'safetensors'}


def test_every_requirement_is_pinned_as_it_may_be(distribution, pins):
    wanted = [*distribution.install_requires]
    wanted += [text for extra in distribution.extras_require.values() for text in extra]
    for requirement in map(Requirement, wanted):
        if requirement.name == 'setuptools':
            assert requirement.specifier == pins['setuptools'].specifier
            continue
        pin = pins[canonicalize_name(requirement.name)]
        (version,) = [spec.version for spec in pin.specifier if spec.operator == '==']
        assert requirement.specifier.contains(version), f'{requirement} must admit {pin}'


def test_pins_hold_for_every_build_and_machine(constraints):
    (torch,) = [pin for pin in constraints if pin.name == 'torch']
    assert str(torch) == 'torch==2.13.0'  # admits +cpu
    for pin in constraints:
        assert pin.url is None
        if pin.name == 'setuptools':
            continue  # a range: see the head of constraints.txt
        assert re.fullmatch(r'==[0-9][0-9a-z.]*', str(pin.specifier)), f'{pin} must be one version'


def test_no_pin_for_newer_pythons_lacks_its_counterpart_for_the_oldest(constraints):
    markers = {}
    for pin in constraints:
        markers.setdefault(pin.name, set()).add(str(pin.marker or 'any'))
    older, newer = 'python_version < "3.11"', 'python_version >= "3.11"'
    for name, found in markers.items():
        # On the old side alone: what only the older versions need.
        assert found in ({'any'}, {older, newer}, {older}), (
            f'{name} must hold for {PYTHONS[0]} too'
        )


def test_the_oldest_python_is_the_same_everywhere(distribution):
    oldest = PYTHONS[0]
    pyproject = (ROOT / 'pyproject.toml').read_text(encoding='utf-8')
    makefile = (ROOT / 'Makefile').read_text(encoding='utf-8')
    assert str(distribution.python_requires) == f'>={oldest}'
    assert f'python_version = "{oldest}"' in pyproject
    assert f'target-version = "py{oldest.replace(".", "")}"' in pyproject
    assert f'found[2] >= ({oldest.replace(".", ", ")})' in makefile
