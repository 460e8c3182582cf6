"""Tests of what the commands show."""
