"""Write the tables of parameters into docs/ros.md, from what the nodes declare."""

from pathlib import Path

from signattn.nodes import drive_node, overlay_node, replay_node

PAGE = Path(__file__).with_name('ros.md')
NODES = {'drive_node': drive_node, 'overlay_node': overlay_node, 'replay_node': replay_node}
HEAD = '| parameter | default | range | changes live | what |\n|---|---|---|---|---|'


def with_tables(page: str) -> str:
    """The page with the tables as they must be; each begins after ``NAME:`` in a line alone."""
    for name, node in NODES.items():
        before, found, rest = page.partition(f'\n{name}:\n\n{HEAD}\n')
        if not found:
            raise ValueError(f'{PAGE} must hold a line "{name}:" and a table below, found none')
        _, _, after = rest.partition('\n\n')
        rows = '\n'.join(parameter.row() for parameter in node.PARAMETERS)
        page = f'{before}{found}{rows}\n\n{after}'
    return page


if __name__ == '__main__':
    PAGE.write_text(with_tables(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
