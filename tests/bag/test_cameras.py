"""Which topics are cameras, and which one is read."""

import re

import pytest

from signattn.bag import BagError, Selection, open_recording
from signattn.bag.cameras import SWAPPED_NS

START = 1_500_000_000_000_000_000
COMPRESSED = 'sensor_msgs/msg/CompressedImage'
RAW = 'sensor_msgs/msg/Image'
INFO = 'sensor_msgs/msg/CameraInfo'
UDACITY = [f'/{side}_camera/image_color/compressed' for side in ('left', 'center', 'right')]
LEFT, CENTER, RIGHT = UDACITY
HOUR = 3_600_000_000_000


@pytest.fixture
def cameras(bag):
    """Gives a function: a bag with one picture on each of these topics."""

    def path_of(*topics, at=START, raw=()):
        path, writer = bag()
        with writer:
            for topic in topics:
                writer.picture(at, topic, frame_id=topic.split('/')[1])
            for topic in raw:
                writer.send(topic, RAW, at, {'encoding': 'rgb8'})
        return path

    return path_of


def test_the_only_camera_is_taken(cameras):
    with open_recording(cameras('/front')) as recording:
        assert recording.image_topic == '/front'
        assert recording.cameras() == ['/front']
        assert recording.side_cameras() == {}


def test_the_centre_camera_is_taken_of_three(cameras):
    with open_recording(cameras(*UDACITY)) as recording:
        assert recording.image_topic == CENTER
        assert recording.cameras() == sorted(UDACITY)
        assert recording.side_cameras() == {'left': LEFT, 'right': RIGHT}
        (image,) = recording.images(LEFT)
        assert image.frame_id == 'left_camera'
        text = f'camera must be one of {CENTER}, {LEFT}, {RIGHT} in {recording.path}, got /rear'
        with pytest.raises(BagError, match=re.escape(text)):
            recording.images('/rear')


def test_a_side_camera_may_be_missing_or_raw(cameras):
    path = cameras(CENTER, raw=('/right_camera/image_color',))
    with open_recording(path) as recording:
        assert recording.side_cameras() == {'right': '/right_camera/image_color'}


def test_a_named_camera_is_taken_and_has_none_beside_it(cameras):
    with open_recording(cameras(*UDACITY), Selection(image_topic=RIGHT)) as recording:
        assert recording.image_topic == RIGHT
        assert recording.side_cameras() == {}
        assert recording.notes == []


def test_two_cameras_are_an_error_that_names_both(cameras):
    path = cameras('/b', '/a')
    text = f'{path} must have one camera, got /a, /b; name one with --image-topic'
    with pytest.raises(BagError, match=f'^{re.escape(text)}$'):
        open_recording(path)
    with open_recording(path, tolerant=True) as recording:
        assert (recording.image_topic, recording.problems) == ('', [text])
        assert recording.cameras() == ['/a', '/b']
        with pytest.raises(BagError, match=re.escape(text)):
            recording.images()
        assert len(list(recording.images('/a'))) == 1


def test_of_one_camera_raw_and_compressed_compressed_is_taken(cameras):
    path = cameras('/cam/compressed', raw=('/cam',))
    with open_recording(path) as recording:
        assert recording.image_topic == '/cam/compressed'
        assert recording.cameras() == ['/cam/compressed']
    with open_recording(path, Selection(image_topic='/cam')) as recording:
        assert next(recording.images()).encoding == 'rgb8'


@pytest.mark.parametrize(
    'depth',
    ['/camera/depth/image_rect_raw', '/cam/image_raw/compressedDepth', '/aligned_depth_to_color'],
)
def test_depth_is_no_camera_unless_it_is_named(cameras, depth):
    path = cameras('/front', depth)
    with open_recording(path) as recording:
        assert recording.image_topic == '/front'
        assert recording.cameras() == ['/front']
    with open_recording(path, Selection(image_topic=depth)) as recording:
        assert recording.image_topic == depth


def test_other_transports_are_no_camera(bag):
    theora = 'theora_image_transport/msg/Packet'
    path, writer = bag(definitions={theora: 'std_msgs/Header header\nuint8[] data'})
    with writer:
        writer.picture(topic='/front/compressed')
        writer.send('/front/theora', theora, START, {})
    with open_recording(path) as recording:
        assert recording.cameras() == ['/front/compressed']


def test_a_topic_without_messages_is_no_camera(bag):
    path, writer = bag('mcap')
    with writer:
        writer.writer.add_connection('/silent', COMPRESSED, typestore=writer.types)
        writer.picture(topic='/cam')
    with open_recording(path) as recording:
        assert recording.image_topic == '/cam'
    text = f'got /silent ({COMPRESSED}, 0 messages)'
    with pytest.raises(BagError, match=re.escape(text)):
        open_recording(path, Selection(image_topic='/silent'))


def test_no_camera_is_an_error_that_lists_what_is_there(bag):
    path, writer = bag()
    with writer:
        writer.send('/info', INFO, START, {})
    text = f'{path} must have a camera ({COMPRESSED} or {RAW}), got /info ({INFO})'
    with pytest.raises(BagError, match=f'^{re.escape(text)}$'):
        open_recording(path)


@pytest.mark.parametrize('kind', ['ros1', 'sqlite3', 'mcap'])
def test_an_empty_bag_has_no_camera(bag, kind):
    path, writer = bag(kind)
    with writer:
        pass
    with pytest.raises(BagError, match=r'must have a camera .*, got no messages$'):
        open_recording(path)


def test_a_named_camera_must_be_there_and_hold_pictures(bag):
    path, writer = bag()
    with writer:
        writer.picture(topic='/cam')
        writer.send('/info', INFO, START, {})
    text = f'--image-topic must be a topic with messages of type {COMPRESSED} or {RAW} in {path}, '
    for named, got in (
        ('/no', f'/no; there are /cam ({COMPRESSED}), /info ({INFO})'),
        ('/info', f'/info ({INFO}, 1 messages)'),
    ):
        with pytest.raises(BagError, match=f'^{re.escape(text + "got " + got)}$'):
            open_recording(path, Selection(image_topic=named))


# The day on which left and centre camera bore each other's names


@pytest.mark.parametrize(
    ('at', 'is_swapped'),
    [
        (SWAPPED_NS[0] - 1, False),
        (SWAPPED_NS[0], True),
        (SWAPPED_NS[1] - 1, True),
        (SWAPPED_NS[1], False),
    ],
)
def test_swapped_cameras_are_put_right(cameras, at, is_swapped):
    with open_recording(cameras(*UDACITY, at=at)) as recording:
        (image,) = recording.images()
        sides = recording.side_cameras()
        assert recording.image_topic == (LEFT if is_swapped else CENTER)
        assert image.frame_id == 'center_camera'
        assert sides == {'left': CENTER if is_swapped else LEFT, 'right': RIGHT}
        assert [next(recording.images(sides[side])).frame_id for side in sorted(sides)] == [
            'left_camera',
            'right_camera',
        ]
        assert [note.partition(',')[0] for note in recording.notes] == (
            ['recorded on 2016-10-25'] if is_swapped else []
        )


def test_the_day_is_that_of_mountain_view():
    # 2016-10-25T07:00Z, one day long
    assert SWAPPED_NS == (1_477_378_800_000_000_000, 1_477_378_800_000_000_000 + 24 * HOUR)


def test_a_named_swapped_camera_is_read_as_it_is_named(cameras):
    path = cameras(*UDACITY, at=SWAPPED_NS[0])
    with open_recording(path, Selection(image_topic=CENTER)) as recording:
        (image,) = recording.images()
        (note,) = recording.notes
    assert recording.image_topic == CENTER
    assert image.frame_id == 'center_camera'
    assert note.endswith(f'--image-topic {CENTER} is read as it is named')


@pytest.mark.parametrize('topics', [(CENTER, RIGHT), ('/left/compressed', '/center/compressed')])
def test_other_cameras_of_that_day_are_as_they_are_named(cameras, topics):
    with open_recording(cameras(*topics, at=SWAPPED_NS[0])) as recording:
        assert 'center' in recording.image_topic
        assert recording.notes == []
