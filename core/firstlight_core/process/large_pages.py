"""Large pages for a process that reads much memory over and over, as a decoder reads its weights for every token.

With pages of 4 KiB the processor looks up an address every few kilobytes. Where Linux gives large pages to those who ask
(`madvise`, the setting of Ubuntu and Fedora), glibc 2.35 and later asks for what it allocates. Other systems and C
libraries ignore the variable.
"""

from collections.abc import Mapping

VARIABLE = "GLIBC_TUNABLES"
TUNABLE = "glibc.malloc.hugetlb"


def with_large_pages(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment whose process asks for large pages; what the user set for them already stays."""
    own = environment.get(VARIABLE, "")
    if TUNABLE in own:
        return dict(environment)
    return {**environment, VARIABLE: ":".join(filter(None, (own, f"{TUNABLE}=1")))}
