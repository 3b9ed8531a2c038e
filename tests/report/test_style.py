"""Colours, line styles and markers: told apart, by every eye and in every print."""

import matplotlib.colors
import numpy as np

from safebench.report import style


def test_every_preset_looks_different():
    names = [
        *(
            "none",
            "boundary-projection",
            "boundary-projection+regularised",
            "ray-mask",
            "ray-mask+regularised",
        ),
        *("ray-mask+passthrough", "ray-mask+orthogonal", "ray-mask-hyperbolic"),
        *("ray-mask-hyperbolic+regularised", "replacement", "cbf-qp", "implicit-safe-set"),
    ]
    looks = {(style.colour(name), str(style.dashes(name))) for name in names}
    assert len(looks) == len(names)
    assert style.colour("ray-mask+passthrough") == style.colour("ray-mask")


def test_colours_are_told_apart_with_every_common_colour_vision():
    """CIE76 distance of every pair of safeguard colours, as seen and after simulated dichromacy."""
    # Vienot, Brettel and Mollon (1999): linear RGB seen by protanopes and deuteranopes.
    protan = np.array([[0.11238, 0.88762, 0], [0.11238, 0.88762, 0], [0.00401, -0.00401, 1]])
    deutan = np.array([[0.29275, 0.70725, 0], [0.29275, 0.70725, 0], [-0.02234, 0.02234, 1]])
    colours = np.array([matplotlib.colors.to_rgb(colour) for colour in style.COLOURS.values()])
    linear = np.where(colours <= 0.04045, colours / 12.92, ((colours + 0.055) / 1.055) ** 2.4)
    for vision in (np.eye(3), protan, deutan):
        lab = _lab(np.clip(linear @ vision.T, 0, 1))
        distances = np.linalg.norm(lab[:, None] - lab[None], axis=-1)
        assert distances[np.triu_indices(len(lab), 1)].min() > 12
    red_and_green = np.array([[0.35, 0.1, 0.0], [0.1, 0.2, 0.0]])  # the control: a pair that deutans confuse
    seen = _lab(red_and_green @ deutan.T)
    assert np.linalg.norm(seen[0] - seen[1]) < 12


def _lab(linear):
    xyz = linear @ np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]).T
    f = np.cbrt(xyz / np.array([0.9505, 1.0, 1.089]))
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], -1)
