"""One house for all tests in here, taken down after the last of them."""
