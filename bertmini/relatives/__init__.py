"""The models that BERT is compared with, each in one file."""
