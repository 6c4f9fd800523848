"""Statistics of scores and labels: functions of arrays that know nothing of a study.

Nothing else of the package is imported here, so that this room can be taught or released alone.
"""
