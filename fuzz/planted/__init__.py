"""Known bugs, planted one at a time to test the fuzzer."""
