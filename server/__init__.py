"""The composition root: settings, home folder, wiring, doors, jobs and the command line. Everything else knows it not."""
