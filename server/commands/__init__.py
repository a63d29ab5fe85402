"""The commands of `tegata`, one module each; a module's `command` is what `server.cli` runs."""
