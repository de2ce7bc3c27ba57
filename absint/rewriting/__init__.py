"""The pass manager, rewrite rules, facts, instruments and promises."""
