"""Steering curvature and the attention behind it, from camera images, as ROS 2 nodes and tools."""

__version__ = '0.1.0'
