"""Vectors of the pieces of words, learned beforehand, in two files of the package `wordllama`."""


class StaticTable:
    """The table and the tokenizer that belongs to it."""
