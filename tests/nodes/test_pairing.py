"""Messages of one stamp find each other."""

from signattn.nodes.pairing import CACHED, Pairing


def test_parts_pair_in_whatever_order_they_come():
    pairing = Pairing('image', 'attention')
    assert pairing.add('image', 1, 'a picture') is None
    assert pairing.add('attention', 2, 'a later map') is None
    assert pairing.add('attention', 1, 'a map') == {'image': 'a picture', 'attention': 'a map'}
    assert pairing.add('attention', 1, 'again') is None
    assert pairing.add('image', 2, 'late') == {'image': 'late', 'attention': 'a later map'}


def test_pairing_keeps_the_last_images():
    pairing = Pairing('image', 'attention')
    for stamp_ns in range(CACHED + 1):
        pairing.add('image', stamp_ns, f'picture {stamp_ns}')
    assert CACHED >= 10
    assert pairing.add('attention', 0, 'too late') is None
    assert pairing.add('attention', 1, 'just in time') is not None


def test_an_optional_part_belongs_to_it_if_it_came_in_time():
    pairing = Pairing('image', 'attention', optional=('driven',))
    assert pairing.add('driven', 1, 'truth') is None
    assert pairing.add('image', 1, 'a picture') is None
    assert pairing.add('attention', 1, 'a map') == {
        'image': 'a picture',
        'attention': 'a map',
        'driven': 'truth',
    }
    pairing.add('image', 2, 'a picture')
    assert pairing.add('attention', 2, 'a map') == {'image': 'a picture', 'attention': 'a map'}
    assert pairing.add('driven', 2, 'late') is None


def test_a_stamp_that_comes_again_is_young_again():
    pairing = Pairing('image', 'attention')
    for stamp_ns in (*range(CACHED), 0, CACHED):
        pairing.add('image', stamp_ns, f'picture {stamp_ns}')
    assert pairing.add('attention', 0, 'a map') is not None
    assert pairing.add('attention', 1, 'a map') is None
