"""The figures of SPEC 4, measured against the plain tool in the same run, interleaved. `make bench` runs all of it."""
