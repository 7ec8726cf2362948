"""Pieces of ONNX graphs, in ONNX' own textual form."""

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

_HEAD = '<ir_version: 10, opset_import: ["" : 18]>'


class Fragment(NamedTuple):
    """Some nodes, and the constants that they name.

    Attributes:
        text: A line for each node.
        constants: Arrays by name; those that no node names are left out.
    """

    text: str
    constants: Mapping[str, Any]

    def within(self, prefix: str, *but: str) -> 'Fragment':
        """The same beside others that use the same names.

        Args:
            prefix: Put before the name of every constant and of every node's result.
            but: Results whose names stay, as those of what it is given do.

        Returns:
            The fragment.
        """
        results = re.findall(r'^\s*([\w, ]+?) = ', self.text, re.MULTILINE)
        own = {name for line in results for name in line.split(', ')} | self.constants.keys()
        own -= set(but)
        text = re.sub(r'\w+', lambda word: prefix * (word[0] in own) + word[0], self.text)
        return Fragment(text, {prefix + name: value for name, value in self.constants.items()})


def make_model(signature: str, *fragments: Fragment) -> bytes:
    """An ONNX model.

    Args:
        signature: Its name, inputs and outputs.
        fragments: Its nodes, in order.

    Returns:
        The file's contents.
    """
    from onnx import checker, numpy_helper, parser  # noqa: PLC0415 (optional, for ONNX alone)

    nodes = '\n'.join(fragment.text for fragment in fragments)
    named = set(re.findall(r'\w+', nodes))
    model = parser.parse_model(f'{_HEAD}\n{signature} {{\n{nodes}\n}}')
    constants = {name: value for part in fragments for name, value in part.constants.items()}
    for name in sorted(named & constants.keys()):
        array = np.asarray(constants[name])
        model.graph.initializer.append(numpy_helper.from_array(array, name))
    checker.check_model(model)
    return bytes(model.SerializeToString())
