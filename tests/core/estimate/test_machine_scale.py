"""What fits a machine: more memory never fits less, and what leaves little is tight."""

from firstlight_core.estimate.machine_scale import SIZES, sizes_that_fit

GIB = 2**30


def test_more_memory_fits_more() -> None:
    counts = [sum(size.fits for size in sizes_that_fit(gib * GIB)) for gib in (1, 8, 32, 512)]
    assert counts == sorted(counts) and counts[0] == 0 and counts[-1] == len(SIZES)


def test_what_leaves_little_is_tight() -> None:
    smallest = sizes_that_fit(GIB)[0]
    assert sizes_that_fit(smallest.peak_bytes)[0].tight
    assert not sizes_that_fit(2 * smallest.peak_bytes)[0].tight
