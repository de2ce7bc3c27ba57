"""Tests of `absint.native`. A package: a unit's module is looked for in packages alone."""
