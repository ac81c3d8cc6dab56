"""Curves of the benchmark: points stand where their numbers say, whatever is not one is left out."""
import math
import os
import re
import sys
import unittest
import xml.dom.minidom

sys.path.insert(0, os.path.join(os.environ["MILLRACE_ROOT"], "bench"))
import curves  # noqa: E402


def places(picture):
    return [(float(x), float(y)) for x, y in re.findall(r'<circle cx="([\d.]+)" cy="([\d.]+)"', picture)]


class Curves(unittest.TestCase):
    def test_powers(self):
        picture = curves.svg("t", curves.Axis("rules", log=True), curves.Axis("µs"),
                             {"a": [(100, 1), (1000, 2), (10000, 4)]})
        points = places(picture)
        self.assertAlmostEqual(points[1][0] - points[0][0], points[2][0] - points[1][0], delta=0.2)
        self.assertAlmostEqual((points[0][1] - points[1][1]) * 2, points[1][1] - points[2][1], delta=0.2)

    def test_inside(self):
        for low, high in ((0, 0), (0.003, 0.0071), (5, 5), (-3, 12), (1, 1e9)):
            for log in (False, True):
                if log and low <= 0:
                    continue
                axis = curves.Axis("n", log=log)
                for x, y in places(curves.svg("t", axis, axis, {"a": [(low, high), (high, low)]})):
                    self.assertTrue(curves.LEFT <= x <= curves.WIDTH - curves.RIGHT, (low, high, log, x))
                    self.assertTrue(curves.TOP <= y <= curves.HEIGHT - curves.BOTTOM, (low, high, log, y))

    def test_left_out(self):
        picture = curves.svg("<t>", curves.Axis("n & m", log=True), curves.Axis("µs"),
                             {"a": [(0, 1), (1, None), (2, math.nan), (3, 4), (5, 6)], "b": []})
        xml.dom.minidom.parseString(picture.encode())
        self.assertEqual(len(places(picture)), 2)

    def test_names_apart(self):
        series = {name: [(1, 1), (2, 2)] for name in "abc"}
        picture = curves.svg("t", curves.Axis("n"), curves.Axis("µs"), series)
        heights = [float(y) for y in re.findall(r'y="([\d.]+)" text-anchor="start" style', picture)]
        self.assertEqual(len(heights), 3)
        self.assertTrue(all(abs(a - b) >= 14 for a, b in zip(heights, heights[1:])))


if __name__ == "__main__":
    unittest.main()
