"""Tests of the parts of `dlcli explain`."""
