"""The peers' documentation is run by `--every`; the rows are compared with the peers in both tiers."""

from tests import cases

collect_ignore = [] if cases.EVERY else ["test_documentation.py"]
