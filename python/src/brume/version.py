"""The version of this package: the same as that of the node's npm packages, which a test compares."""

version = "0.1.0"
