"""The suites, the puzzle sets, the gates, and the harness they stand on."""
