"""The split step as ONNX models."""

import math
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from signattn.model import Network
from signattn.model.encoder import CELLS, CHANNELS
from signattn.model.gating import ACTING, BUDGETED, FLOAT
from signattn.preprocess import HEIGHT, WIDTH
from signattn.stream.backend import WEIGHTS, Weights
from signattn.stream.fragment import Fragment, make_model
from signattn.stream.integers import LARGEST, linear_int8
from signattn.stream.split import SplitStep

_WHOLE = ('sign', 'none_quant', 'topk', 'gate')
"""Kinds of attention whose products are ± a level, or 0."""


class StepModels(NamedTuple):
    """The files of a split step. All shapes are fixed, and of one frame.

    The state is ``c`` of the LSTM, and what follows from its h and is needed with the next frame:
    ``from_h``, what h adds to the LSTM's gates; ``readout``, the weight of each product in the
    answer (not with ``head: kim``); ``recurrent``, W_δ h (not without attention). What a model
    gives as ``next_c`` and so on, the next one takes as ``c``. Products stand channel by channel,
    in units of one level where they have levels.

    Attributes:
        begin: frame → the state before it, which is the first.
        answer: frame, readout, recurrent → curvature, attention, products. With ``head: kim``,
            whose LSTM stands before the answer: frame, recurrent, from_h, c → also h and next_c.
        prepare: products, from_h, c → the next state. With ``head: kim``: h → what follows from
            it.
    """

    begin: bytes
    answer: bytes
    prepare: bytes


def step_models(network: Network, weights: Weights = 'fp32') -> StepModels:
    """The split step of a network.

    Args:
        network: The network, on the CPU.
        weights: ``int8`` rounds those of LSTM, gate and W_δ, which are nearly all. Products of
            ``sign``, ``none_quant``, ``topk`` and ``gate`` with at most 13 bits are whole numbers
            and lose nothing; others, and the state, are rounded to 14 bits.

    Returns:
        The models. ``begin`` has its own copy of the weights behind h, a quarter of all.

    Raises:
        ValueError: If there are no such weights.
        ImportError: If onnx is not installed.

    Source: Tashiro and Awano 2023, Eqs. 4 to 15, as ``SplitStep`` splits them.
    """
    if weights not in WEIGHTS:
        raise ValueError(f'weights must be one of {WEIGHTS}, got {weights!r}')
    split = SplitStep(network)
    behind = _behind_h(split, weights)
    return StepModels(
        _begin(split, behind), _answer(split, weights), _prepare(split, weights, behind)
    )


def _begin(split: SplitStep, behind: Fragment) -> bytes:
    network = split.network
    if network.config.attention in ACTING:
        # Closed cells don't speak; α is that of an empty state.
        width = _sizes(split)['recurrent']
        nothing = Fragment('', {'recurrent': np.zeros((1, width), np.float32)})
        mean = Fragment(
            """
            weighted = Mul(features, spread_open)
            sum_features = ReduceSum<keepdims=0>(weighted, over_cells)
            sum_open = ReduceSum(open, over_columns)
            some_open = Max(sum_open, least)
            mean = Div(sum_features, some_open)
            """,
            {'least': np.float32(1e-6), 'over_columns': np.array([1])},
        )
        parts: tuple[Fragment, ...] = (_score(network), nothing, _openness(network), mean)
    else:
        parts = (Fragment('mean = ReduceMean<keepdims=0>(features, over_cells)', {}),)
    first = Fragment(
        """
        from_mean_h = MatMul(mean, weight_h)
        sum_h = Add(from_mean_h, bias_h)
        h = Tanh(sum_h)
        from_mean_c = MatMul(mean, weight_c)
        sum_c = Add(from_mean_c, bias_c)
        next_c = Tanh(sum_c)
        """,
        {
            'over_cells': np.array([2]),
            'weight_h': _array(network.initial_h.weight.t()),
            'bias_h': _array(network.initial_h.bias),
            'weight_c': _array(network.initial_c.weight.t()),
            'bias_c': _array(network.initial_c.bias),
        },
    )
    results = _floats({f'next_{name}': size for name, size in _state(split).items()})
    return make_model(f'begin ({_FRAME}) => ({results})', _encoder(split), *parts, first, behind)


def _answer(split: SplitStep, weights: Weights) -> bytes:
    sizes = _sizes(split)
    taken = ['recurrent', 'from_h', 'c'] if split.kim else ['readout', 'recurrent']
    given = {'curvature': 1, 'attention': CELLS, 'products': sizes['products']}
    parts = [_encoder(split), _score(split.network), _openness(split.network), _products(split)]
    turn = """
    column = Reshape(readout, as_column)
    turn = MatMul(products, column)
    """
    constants = {'as_column': np.array([sizes['products'], 1]), 'bias': _array(split.bias)}
    if split.kim:
        given |= {'h': sizes['c'], 'next_c': sizes['c']}
        parts.append(_lstm(split, weights))
        constants |= {'readout': readout_of(split), 'weight_h': _array(split.from_behind.t())}
        turn += """
        from_products = Add(turn, bias)
        added = MatMul(h, weight_h)
        curvature = Add(from_products, added)
        """
    else:
        turn += 'curvature = Add(turn, bias)'
    state = _state(split)
    takes = _floats({name: state[name] for name in taken if name in state})
    inputs = ', '.join(filter(None, [_FRAME, takes]))
    signature = f'answer ({inputs}) => ({_floats(given)})'
    return make_model(signature, *parts, Fragment(turn, constants))


def _prepare(split: SplitStep, weights: Weights, behind: Fragment) -> bytes:
    sizes, state = _sizes(split), _state(split)
    if split.kim:  # the LSTM stands in its answer
        taken, parts = ['h'], [behind]
        del state['c']
    else:
        taken, parts = ['products', 'from_h', 'c'], [_lstm(split, weights), behind]
    takes = _floats({name: sizes[name] for name in taken})
    gives = _floats({f'next_{name}': size for name, size in state.items()})
    return make_model(f'prepare ({takes}) => ({gives})', *parts)


# Parts


def _lstm(split: SplitStep, weights: Weights) -> Fragment:
    """Of products, from_h and c: h and next_c."""
    weight = _by_channel(_array(split.network.lstm.weight_ih)) * np.float32(_unit(split))
    linear = _linear(weight, 'products', 'from_x', weights, _step_of_products(split))
    linear = linear.within('x_', 'from_x')
    cell = """
    gates = Add(from_x, from_h)
    write_in, keep_in, new_in, show_in = Split<axis=1, num_outputs=4>(gates)
    write = Sigmoid(write_in)
    keep = Sigmoid(keep_in)
    new = Tanh(new_in)
    show = Sigmoid(show_in)
    kept = Mul(keep, c)
    written = Mul(write, new)
    next_c = Add(kept, written)
    bent = Tanh(next_c)
    h = Mul(show, bent)
    """
    return Fragment(f'{linear.text}{cell}', linear.constants)


def _behind_h(split: SplitStep, weights: Weights) -> Fragment:
    """Of h: next_from_h, next_readout and next_recurrent, as far as the network has them."""
    network, state = split.network, _state(split)
    rows = [_array(network.lstm.weight_hh)]
    bias = [_array(network.lstm.bias_hh + network.lstm.bias_ih)]
    constants: dict[str, Any] = {}
    opened = ''
    if 'readout' in state:
        rows.append(_by_channel(_array(network.gate.weight).T).T)
        bias.append(_by_channel(_array(network.gate.bias)[None])[0])
        opened = 'opening = Sigmoid(gate)\nreadout = Mul(opening, weight_beta)'
        constants['weight_beta'] = readout_of(split)
    if network.attention is not None:
        rows.append(_array(network.attention.from_state.weight))
        bias.append(np.zeros(len(rows[-1]), np.float32))
    outputs = [name for name in state if name != 'c']
    constants['sizes'] = np.array([state[name] for name in outputs])
    constants['bias'] = np.concatenate(bias)[None]
    names = ', '.join(outputs).replace('readout', 'gate')
    linear = _linear(np.concatenate(rows), 'h', 'projected', weights, 1 / LARGEST)
    text = f"""
    {linear.text}
    biased = Add(projected, bias)
    {names} = Split<axis=1>(biased, sizes)
    {opened}
    """
    return Fragment(text, constants | dict(linear.constants)).within('next_')


_FRAME = f'uint8[1,{HEIGHT},{WIDTH},3] frame'


def _encoder(split: SplitStep) -> Fragment:
    """Of frame: grid (1, 64, 10, 20), and features (1, 64, 200)."""
    lines = ['planes = Transpose<perm=[0,3,1,2]>(frame)', 'x0 = Cast<to=1>(planes)']
    constants: dict[str, Any] = {'as_features': np.array([1, CHANNELS, CELLS])}
    last = 'x0'
    for index, layer in enumerate(cast('nn.Sequential', split.encoder), 1):
        if isinstance(layer, nn.Conv2d):
            sizes = layer.kernel_size, layer.padding * 2, layer.stride
            how = 'kernel_shape=[{}, {}], pads=[{}, {}, {}, {}], strides=[{}, {}]'.format(
                *(size for group in sizes for size in cast('tuple[int, ...]', group))
            )
            lines.append(f'x{index} = Conv<{how}>({last}, filter{index}, bias{index})')
            constants[f'filter{index}'] = _array(layer.weight)
            constants[f'bias{index}'] = _array(cast('Tensor', layer.bias))
        else:
            lines.append(f'x{index} = Relu({last})')
        last = f'x{index}'
    lines += [f'grid = Identity({last})', 'features = Reshape(grid, as_features)']
    return Fragment('\n'.join(lines), constants)


def _score(network: Network) -> Fragment:
    """Of grid and recurrent: logits and attention, (1, 200)."""
    attention = network.attention
    if attention is None:
        uniform = np.full((1, CELLS), 1 / CELLS, np.float32)
        return Fragment('attention = Identity(uniform)', {'uniform': uniform})
    constants = {
        'weight_gamma': _array(attention.from_features.weight)[..., None, None],
        'bias_gamma': _array(attention.from_features.bias),
        'as_recurrent': np.array([1, CHANNELS, 1, 1]),
        'as_row': np.array([1, CELLS]),
        'temperature': np.float32(attention.temperature),
    }
    if attention.to_score is not None:
        constants['weight_score'] = _array(attention.to_score.weight)[..., None, None]
        scored = """
        moved = Reshape(recurrent, as_recurrent)
        sum_score = Add(by_features, moved)
        bent_score = Tanh(sum_score)
        grid_score = Conv(bent_score, weight_score)
        score = Reshape(grid_score, as_row)
        """
    else:
        scored = """
        row_score = Reshape(by_features, as_row)
        sum_score = Add(row_score, recurrent)
        score = Tanh(sum_score)
        """
    text = f"""
    by_features = Conv(grid, weight_gamma, bias_gamma)
    {scored}
    logits = Div(score, temperature)
    attention = Softmax<axis=1>(logits)
    """
    return Fragment(text, constants)


def _openness(network: Network) -> Fragment:
    """Of logits: open (1, 200), and spread_open (1, 1, 200), for kinds that act."""
    config = network.config
    if config.attention not in ACTING:
        return Fragment('', {})
    threshold = math.log(config.threshold) - math.log(CELLS)
    text = {
        'topk': 'best_logits, best = TopK(logits, budget)\nopen = ScatterElements<axis=1>(closed, '
        'best, opened)',
        'gate': """
        log_attention = LogSoftmax<axis=1>(logits)
        above = GreaterOrEqual(log_attention, log_threshold)
        passing = Cast<to=1>(above)
        best = ArgMax<axis=1>(logits)
        open = ScatterElements<axis=1>(passing, best, opened)
        """,
        'ramp': """
        log_attention = LogSoftmax<axis=1>(logits)
        above = Sub(log_attention, log_threshold)
        share = Exp(above)
        open = Min(share, one)
        """,
        'stochastic': 'certain = Mul(attention, gain)\nopen = Tanh(certain)',
    }
    count = config.budget if config.attention in BUDGETED else 1
    constants: dict[str, Any] = {
        'budget': np.array([count]),
        'opened': np.ones((1, count), np.float32),
        'closed': np.zeros((1, CELLS), np.float32),
        'log_threshold': np.float32(threshold),
        'one': np.float32(1),
        'gain': np.float32(config.gain * CELLS / 2),
        'as_spread': np.array([1, 1, CELLS]),
    }
    chosen = text['topk' if config.attention in BUDGETED else config.attention]
    return Fragment(f'{chosen}\nspread_open = Reshape(open, as_spread)', constants)


def _products(split: SplitStep) -> Fragment:
    """Of features and attention: products (1, C·200)."""
    config = split.network.config
    constants: dict[str, Any] = {
        'as_products': np.array([1, config.products]),
        'channels': np.array([config.channels, CHANNELS - config.channels]),
        'as_spread': np.array([1, 1, CELLS]),
        'cells': np.float32(CELLS),
        'over_columns': np.array([1]),
    }
    halves = config.channels < CHANNELS
    signed, other = ('signed', 'other') if halves else ('features', 'features')
    parted = f'{signed}, {other} = Split<axis=1>(features, channels)' if halves else ''
    if config.attention in FLOAT:
        gated = _gated_float(config.attention, signed)
    else:
        gated = _gated_levels(split, signed, other, constants)
    return Fragment(f'{parted}\n{gated}\nproducts = Reshape(gated, as_products)', constants)


def _gated_float(kind: str, signed: str) -> str:
    """Features, times α · 200 but for ``none_float``."""
    if kind == 'none_float':
        return f'gated = Identity({signed})'
    shared = 'shares = Identity(attention)'
    if kind in BUDGETED:
        shared = """
        kept = Mul(attention, open)
        sum_kept = ReduceSum(kept, over_columns)
        shares = Div(kept, sum_kept)
        """
    return f"""
    {shared}
    row_gain = Mul(shares, cells)
    cell_gain = Reshape(row_gain, as_spread)
    gated = Mul({signed}, cell_gain)
    """


def _gated_levels(split: SplitStep, signed: str, other: str, constants: dict[str, Any]) -> str:
    """± a level, and what α does to it."""
    config = split.network.config
    constants |= {
        'one_more': np.float32(1),
        'range_b': _array(split.network.range_b),
        'step': _array(split.step),
        'zero': np.float32(0),
        'tiny': np.float32(1e-12),
        'over_all': np.array([1, 2]),
    }
    level = f"""
    exponential = Exp({other})
    more = Add(exponential, one_more)
    soft = Log(more)
    clipped = Min(soft, range_b)
    parts = Div(clipped, step)
    level = Round(parts)
    """
    if config.attention == 'stochastic':
        return f"""{level}
        squares = Mul({signed}, {signed})
        power = ReduceMean(squares, over_all)
        some_power = Max(power, tiny)
        size = Sqrt(some_power)
        brought = Div({signed}, size)
        cell_certain = Reshape(certain, as_spread)
        leaning = Mul(brought, cell_certain)
        mean_sign = Tanh(leaning)
        gated = Mul(mean_sign, level)
        """
    speaking = f"""{level}
    under = Neg(level)
    positive = GreaterOrEqual({signed}, zero)
    spoken = Where(positive, level, under)
    """
    acts = config.attention in ACTING
    return speaking + ('gated = Mul(spoken, spread_open)' if acts else 'gated = Identity(spoken)')


def _linear(
    weight: NDArray[np.float32], x: str, out: str, weights: Weights, unit: float | None
) -> Fragment:
    """A linear map; for int8 x is rounded to multiples of unit, or of its largest / 8191."""
    if weights == 'fp32':
        turned = np.ascontiguousarray(weight.T)
        return Fragment(f'{out} = MatMul({x}, weight)', {'weight': turned})
    if unit is not None:
        rounded = f'units = Div({x}, unit)\nwhole = Round(units)'
        core = linear_int8(weight * np.float32(unit), 'whole', out)
        return Fragment(rounded + core.text, dict(core.constants) | {'unit': np.float32(unit)})
    core = linear_int8(weight, 'whole', 'in_units')
    text = f"""
    sizes_x = Abs({x})
    largest = ReduceMax<keepdims=1>(sizes_x)
    some = Max(largest, least)
    unit = Div(some, most)
    units = Div({x}, unit)
    whole = Round(units)
    {core.text}
    {out} = Mul(in_units, unit)
    """
    more = {'least': np.float32(1e-30), 'most': np.float32(LARGEST)}
    return Fragment(text, dict(core.constants) | more)


# Weights


def _array(tensor: Tensor) -> NDArray[np.float32]:
    return tensor.detach().contiguous().numpy()


def _by_channel(weight: NDArray[np.float32]) -> NDArray[np.float32]:
    """Columns of (N, L·C) from cell by cell to channel by channel."""
    turned = weight.reshape(len(weight), CELLS, -1).swapaxes(1, 2)
    return np.ascontiguousarray(turned.reshape(len(weight), -1))


def _sizes(split: SplitStep) -> dict[str, int]:
    """Of each array that goes from model to model."""
    hidden, products = split.network.config.hidden, split.network.config.products
    attention = split.network.attention
    return {
        'products': products,
        'h': hidden,
        'c': hidden,
        'from_h': 4 * hidden,
        'readout': 0 if split.kim else products,
        'recurrent': 0 if attention is None else len(attention.from_state.weight),
    }


def _state(split: SplitStep) -> dict[str, int]:
    """What goes from frame to frame, and its size."""
    names = 'c', 'from_h', 'readout', 'recurrent'
    return {name: size for name, size in _sizes(split).items() if name in names and size}


def _floats(sizes: dict[str, int]) -> str:
    """Rows as a signature has them."""
    return ', '.join(f'float[1,{size}] {name}' for name, size in sizes.items())


def _unit(split: SplitStep) -> float:
    """What a product of 1 stands for."""
    return 1.0 if split.network.config.attention in FLOAT else float(split.step)


def _step_of_products(split: SplitStep) -> float | None:
    """1 where products are whole numbers that two digits hold; None where they are not."""
    config = split.network.config
    return 1.0 if config.attention in _WHOLE and 2**config.bits - 1 <= LARGEST else None


def readout_of(split: SplitStep) -> NDArray[np.float32]:
    """The weight of each product in the answer, but for the gate: with ``head: kim`` it is all.

    Args:
        split: The split step.

    Returns:
        (1, L·C) float32, 1/m, channel by channel.
    """
    return np.asarray(_by_channel(_array(split.readout)) * np.float32(_unit(split)))
