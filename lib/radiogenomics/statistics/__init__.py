"""Statistics of scores and labels: functions of arrays, without any study.

Nothing else of the package is imported here, so that this room can be taught or released alone.
"""
