"""Tests of the comparison's parts and of scripts/tune-host.

`python3 -B -m unittest discover --start-directory loadtest/comparison/tests --top-level-directory loadtest`
"""
