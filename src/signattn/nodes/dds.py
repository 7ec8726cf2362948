"""Environment variables that keep Fast DDS from losing large images."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

VARIABLES = ('FASTRTPS_DEFAULT_PROFILES_FILE', 'FASTDDS_DEFAULT_PROFILES_FILE')
"""Up to Jazzy, and from Kilted on."""

SEGMENT_BYTES = 32 * 2**20
"""Shared memory that every process takes with the profile, as in config/fastdds.xml."""

SHARED_MEMORY = Path('/dev/shm')  # noqa: S108 (where Fast DDS puts its segments)

_PROCESSES = 3


def profile_environment(
    profile: Path, environment: Mapping[str, str], shared_memory: Path = SHARED_MEMORY
) -> dict[str, str]:
    """Variables to add so that the nodes started next send images through a large segment.

    The segment belongs to the sender: a camera driver that someone else starts needs the same
    variables, or compressed transport.

    Args:
        profile: Profile file, config/fastdds.xml.
        environment: The environment so far.
        shared_memory: Folder of the segments.

    Returns:
        Both variables; nothing if the user has set one of them, the middleware isn't Fast DDS, or
        there is no room for the segments of three processes.
    """
    if any(environment.get(name) for name in VARIABLES):
        return {}
    middleware = environment.get('RMW_IMPLEMENTATION') or 'rmw_fastrtps_cpp'
    if not middleware.startswith('rmw_fastrtps'):
        return {}
    if not os.access(shared_memory, os.W_OK):
        return {}
    if shutil.disk_usage(shared_memory).free < _PROCESSES * SEGMENT_BYTES:
        return {}
    return dict.fromkeys(VARIABLES, str(profile))
