"""Which recording a drive was made from, wherever it lies."""

import hashlib
from pathlib import Path

_ENDS = 1 << 16  # bytes at either end of a file that are compared
_STORAGES = ('.bag', '.db3', '.mcap', '.zstd', '.zst', '.lz4', '.yaml', '.csv')
_PICTURES = ('.jpg', '.jpeg', '.png')


def source_size(source: Path) -> int:
    """Size of a recording.

    Args:
        source: A bag, or a folder.

    Returns:
        Bytes.
    """
    return sum(file.stat().st_size for file in _files(source))


def fingerprint(source: Path) -> str:
    """Tells recordings apart without reading them whole.

    Names, sizes and both ends of the storage files and tables count, of pictures name and size.
    What lies in the middle of a file and keeps its size is not seen.

    Args:
        source: A bag, or a folder.

    Returns:
        Hexadecimal digits, the same for every copy.
    """
    digest = hashlib.sha256()
    for file in _files(source):
        name = file.relative_to(source) if source.is_dir() else Path(file.name)
        digest.update(f'{name.as_posix()} {file.stat().st_size}\n'.encode())
        if file.suffix.lower() not in _PICTURES:
            digest.update(_ends(file))
    return digest.hexdigest()


def _files(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source] if source.is_file() else []
    storages = [file for file in source.iterdir() if file.suffix.lower() in _STORAGES]
    pictures = [file for file in source.rglob('*') if file.suffix.lower() in _PICTURES]
    return sorted(file for file in [*storages, *pictures] if file.is_file())


def _ends(file: Path) -> bytes:
    with file.open('rb') as data:
        head = data.read(_ENDS)
        data.seek(max(len(head), file.stat().st_size - _ENDS))
        return head + data.read()
