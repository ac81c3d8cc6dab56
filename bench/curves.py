"""Curves as SVG: what the benchmark draws, with nothing but Python's own library.

    draw("rules.svg", "Cost of rules", Axis("rules", log=True), Axis("µs an event"), {"whole collection": [(100, 0.2), …]})

Each series is a line with its points and, at its last point, its name. A value that is no number is left out.
"""
import collections
import html
import math

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 78, 170, 48, 62
COLOURS = ("#1b6ca8", "#c8553d", "#3a7d44", "#7b4b94", "#b8860b", "#4a4e69", "#008b8b", "#8b3a62")
STYLE = """text{font:12px sans-serif;fill:#222}.title{font-size:15px;font-weight:bold}.grid{stroke:#ddd}
.frame{stroke:#555;fill:none}.line{fill:none;stroke-width:2}"""

Axis = collections.namedtuple("Axis", "label log", defaults=(False,))


def shown(number):
    """A number as people write it: 30,000, 2.5, 0.04."""
    return f"{number:,.0f}" if abs(number) >= 100 or number == round(number) else f"{number:.3g}"


def steps(low, high):
    """Round numbers from at most `low` to at least `high`, some five of them."""
    rough = (high - low or abs(high) or 1) / 5
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [number * step for number in range(first, max(last, first + 1) + 1)]


def powers(low, high):
    """1, 2 and 5 times powers of ten around what is there; powers alone where that is much."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for factors in ((1, 2, 5), (1,)):
        marks = [factor * 10.0 ** exponent for exponent in exponents for factor in factors]
        first = max((i for i, mark in enumerate(marks) if mark <= low * 1.0001), default=0)
        last = min((i for i, mark in enumerate(marks) if mark >= high * 0.9999), default=len(marks) - 1)
        if last - first < 8:
            break
    return marks[first:max(last, first + 1) + 1]


class Scale:
    """From an axis's numbers to a place in the picture."""

    def __init__(self, axis, values, start, end):
        self.measure = math.log10 if axis.log else float
        self.marks = powers(min(values), max(values)) if axis.log else steps(min([0, *values]), max(values))
        self.low, self.high = self.measure(self.marks[0]), self.measure(self.marks[-1])
        self.start, self.end = start, end

    def place(self, value):
        return self.start + (self.measure(value) - self.low) / (self.high - self.low) * (self.end - self.start)


def clean(points, x_axis, y_axis):
    """Points in order that can be drawn: finite, and above 0 on an axis of powers."""
    return sorted((x, y) for x, y in points if all(value is not None and math.isfinite(value) and
                                                   (value > 0 or not axis.log)
                                                   for value, axis in ((x, x_axis), (y, y_axis))))


def text(x, y, words, anchor="middle", more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{html.escape(words)}</text>'


def frame(title, x_axis, y_axis, across, up):
    right, floor = WIDTH - RIGHT, HEIGHT - BOTTOM
    parts = [text(LEFT, 26, title, "start", ' class="title"')]
    for mark in across.marks:
        parts.append(f'<path class="grid" d="M{across.place(mark):.1f} {TOP}V{floor}"/>')
        parts.append(text(across.place(mark), floor + 18, shown(mark)))
    for mark in up.marks:
        parts.append(f'<path class="grid" d="M{LEFT} {up.place(mark):.1f}H{right}"/>')
        parts.append(text(LEFT - 8, up.place(mark) + 4, shown(mark), "end"))
    middle = (TOP + floor) / 2
    parts.append(text((LEFT + right) / 2, HEIGHT - 18, x_axis.label))
    parts.append(text(20, middle, y_axis.label, more=f' transform="rotate(-90 20 {middle:.1f})"'))
    return parts + [f'<rect class="frame" x="{LEFT}" y="{TOP}" width="{right - LEFT}" height="{floor - TOP}"/>']


def names(ends):
    """Where the series' names stand: beside their last points, none over another."""
    below = -math.inf
    for y, name, colour in sorted(ends):
        below = max(y, below + 15)
        yield text(WIDTH - RIGHT + 10, below + 4, name, "start", f' style="fill:{colour}"')


def line(points, colour, across, up):
    places = [(across.place(x), up.place(y)) for x, y in points]
    yield f'<path class="line" stroke="{colour}" d="M{" L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'
    for (x, y), (given_x, given_y) in zip(places, points):
        yield (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{shown(given_x)}: '
               f'{shown(given_y)}</title></circle>')


def svg(title, x_axis, y_axis, series):
    """The picture as text. `series`: name to points, (x, y); at least one point among them can be drawn."""
    series = {name: clean(points, x_axis, y_axis) for name, points in series.items()}
    series = {name: points for name, points in series.items() if points}
    points = [point for line_points in series.values() for point in line_points]
    across = Scale(x_axis, [x for x, _ in points], LEFT, WIDTH - RIGHT)
    up = Scale(y_axis, [y for _, y in points], HEIGHT - BOTTOM, TOP)
    parts, ends = frame(title, x_axis, y_axis, across, up), []
    for number, (name, line_points) in enumerate(series.items()):
        colour = COLOURS[number % len(COLOURS)]
        parts += line(line_points, colour, across, up)
        ends.append((up.place(line_points[-1][1]), name, colour))
    body = "\n".join([*parts, *names(ends)])
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
            f'height="{HEIGHT}">\n<style>{STYLE}</style>\n<rect width="100%" height="100%" fill="#fff"/>\n'
            f"{body}\n</svg>\n")


def draw(path, title, x_axis, y_axis, series):
    with open(path, "w", encoding="utf-8") as file:
        file.write(svg(title, x_axis, y_axis, series))
