"""Fuzzing of every reader of what strangers send: 20,000 inputs each in `make test`, minutes of them by `make fuzz`.

`targets.py` is the table; a new reader is one entry, and `readers.py` says which route or module it belongs to: what says nothing
fails. `mutation.py` and `archives.py` make inputs out of good ones, `trial.py` judges, `__main__.py` is the long run. The bad
inputs that have a name of their own stand in `test_bad_*.py`.
"""
