"""Tests of the op table: bodies, interval rules, their printed forms."""
