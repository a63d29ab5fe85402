"""`python -m server` is the command `tegata`; the doors' processes are started in this way."""

from server.cli import main

main()
