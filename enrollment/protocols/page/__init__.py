"""The page where a browser retrieves a certificate: its key is made there and never leaves it.

Routes in `door`, the five inputs in `fields`, words in `words` and `texts`; the browser's part lies in `static`.
"""
