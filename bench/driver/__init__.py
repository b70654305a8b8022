"""Runs our worker and its peers side by side on one real broker and writes down what was measured."""
