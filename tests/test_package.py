"""pip, colcon and the files beside the code tell the same story."""

import ast
import importlib.metadata
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import signattn

ROOT = Path(__file__).resolve().parents[1]


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
def pins():
    """constraints.txt: canonical name → requirement."""
    lines = (ROOT / 'constraints.txt').read_text(encoding='utf-8').splitlines()
    found = [Requirement(line) for line in lines if line and not line.startswith('#')]
    return {canonicalize_name(pin.name): pin for pin in found}


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


def test_the_manifest_names_every_ros_package_in_use(manifest):
    used = set()
    for path in [*ROOT.glob('src/**/*.py'), *ROOT.glob('launch/*.py')]:
        used |= set(imported(path))
    ros = {'rclpy', 'launch', 'launch_ros', 'ament_index_python', 'std_srvs', 'rcl_interfaces'}
    needed = {name for name in used if name in ros or name.endswith(('_msgs', '_interfaces'))}
    assert 'rclpy' in needed
    assert needed - depends(manifest) == set()


def test_the_manifest_names_every_apt_package_in_use(manifest):
    assert {'python3-numpy', 'python3-opencv', 'python3-yaml', 'python3-pytest'} <= depends(
        manifest
    )


def test_console_scripts_exist(distribution):
    scripts = dict(line.split(' = ') for line in distribution.entry_points['console_scripts'])
    assert set(scripts) == {'signattn', 'drive_node', 'overlay_node', 'replay_node'}
    for target in scripts.values():
        module, _, function = target.partition(':')
        path = ROOT / 'src' / (module.replace('.', '/') + '.py')
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


def test_pins_hold_for_every_build_and_machine(pins):
    assert str(pins['torch'].specifier) == '==2.13.0'  # admits +cpu
    for name, pin in pins.items():
        assert pin.url is None
        if name == 'setuptools':
            continue  # a range: see the head of constraints.txt
        assert re.fullmatch(r'==[0-9][0-9a-z.]*', str(pin.specifier)), f'{pin} must be one version'
