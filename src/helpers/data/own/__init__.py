"""Somebody's own digits: files of many formats in, the form of MNIST out."""
