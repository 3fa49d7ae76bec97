"""The 100 class colours of the map: Okabe and Ito's eight, then the colour furthest from all chosen, again and again.

    python scripts/build_palette.py        prints the tokens that assets/map.css holds

Method: C. Glasbey, G. van der Heijden, V. Toh, A. Gray, "Colour displays for categorical images" (2007), with distances
in OKLab (B. Ottosson, 2020) taken as the least over normal sight and two dichromacies, simulated with the matrices of
G. Machado, M. Oliveira, L. Fernandes (2009) at full severity. So neighbours in the list differ for those readers too.
First eight: M. Okabe, K. Ito, "Color Universal Design" (2008); black and yellow are moved away from the backgrounds.
"""

import numpy as np
from numpy.typing import NDArray

Colours = NDArray[np.float64]
LIGHT = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#e3d02c", "#4a4f57")
DARK = ("#3f9be0", "#f0ac1f", "#18b58a", "#f0762e", "#8fd2f7", "#e08fbd", "#f0e442", "#c9d0d9")
COUNT = 100
PROTAN = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
DEUTAN = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]


def linear(rgb: Colours) -> Colours:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def gamma(rgb: Colours) -> Colours:
    rgb = np.clip(rgb, 0, 1)
    return np.where(rgb <= 0.0031308, rgb * 12.92, 1.055 * rgb ** (1 / 2.4) - 0.055)


def oklab(rgb: Colours) -> Colours:
    """Linear RGB (n, 3) → OKLab (n, 3)."""
    to_lms = [[0.4122214708, 0.5363325363, 0.0514459929], [0.2119034982, 0.6806995451, 0.1073969566],
              [0.0883024619, 0.2817188376, 0.6299787005]]  # fmt: skip
    to_lab = [[0.2104542553, 0.7936177850, -0.0040720468], [1.9779984951, -2.4285922050, 0.4505937099],
              [0.0259040371, 0.7827717662, -0.8086757660]]  # fmt: skip
    return np.cbrt(np.clip(rgb, 0, None) @ np.array(to_lms).T) @ np.array(to_lab).T


def from_oklab(lab: Colours) -> Colours:
    """OKLab (n, 3) → linear RGB (n, 3), which may lie outside 0…1."""
    to_lms = [[1, 0.3963377774, 0.2158037573], [1, -0.1055613458, -0.0638541728], [1, -0.0894841775, -1.2914855480]]
    to_rgb = [[4.0767416621, -3.3077115913, 0.2309699292], [-1.2684380046, 2.6097574011, -0.3413193965],
              [-0.0041960863, -0.7034186147, 1.7076147010]]  # fmt: skip
    return ((lab @ np.array(to_lms).T) ** 3) @ np.array(to_rgb).T


def seen(rgb: Colours) -> list[Colours]:
    """What three kinds of sight make of linear RGB, each in OKLab."""
    return [oklab(rgb), oklab(rgb @ np.array(PROTAN).T), oklab(rgb @ np.array(DEUTAN).T)]


def parse(codes: tuple[str, ...]) -> Colours:
    return np.array([[int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)] for code in codes])


def codes(rgb: Colours) -> list[str]:
    return ["#" + "".join(f"{round(255 * value):02x}" for value in row) for row in rgb]


def extend(first: tuple[str, ...]) -> Colours:
    """`COUNT` colours (gamma RGB) that begin with `first`."""
    steps = np.linspace(0, 1, 26)
    rgb = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    lab = oklab(linear(rgb))
    chroma = np.hypot(lab[:, 1], lab[:, 2])
    rgb = rgb[(lab[:, 0] > 0.42) & (lab[:, 0] < 0.82) & (chroma > 0.055) & (chroma < 0.165)]
    views = seen(linear(rgb))
    chosen = parse(first)
    least = np.full(len(rgb), np.inf)
    for old in chosen:
        least = np.minimum(least, distance(views, old))
    while len(chosen) < COUNT:
        new = rgb[np.argmax(least)]
        chosen = np.vstack([chosen, new])
        least = np.minimum(least, distance(views, new))
    return chosen


def distance(views: list[Colours], colour: Colours) -> Colours:
    """The distance of every candidate to `colour` where it is least; normal sight counts in full, the others double."""
    own = seen(linear(colour[None]))
    weights = (1.0, 2.0, 2.0)
    apart = [w * np.linalg.norm(view - one, axis=1) for w, view, one in zip(weights, views, own, strict=True)]
    return np.minimum.reduce(apart)


def lightened(rgb: Colours) -> Colours:
    """The same hues for a dark background: darkest up to 0.6 of OKLab's lightness, chroma cut to what sRGB has."""
    lab = oklab(linear(rgb))
    lab[:, 0] = 0.60 + (lab[:, 0] - 0.42) * (0.90 - 0.60) / (0.82 - 0.42)
    for _ in range(40):
        out = ((from_oklab(lab) < -1e-4) | (from_oklab(lab) > 1 + 1e-4)).any(axis=1)
        lab[out, 1:] *= 0.96
    return gamma(from_oklab(lab))


def main() -> None:
    light = extend(LIGHT)
    dark = np.vstack([parse(DARK), lightened(light[len(DARK) :])])
    for selector, colours in (("body", light), ("body.dark", dark)):
        print(f"{selector} {{")
        tokens = [f"--wb-c{i}: {code};" for i, code in enumerate(codes(colours))]
        for start in range(0, COUNT, 8):
            print("  " + " ".join(tokens[start : start + 8]))
        print("}")


if __name__ == "__main__":
    main()
