"""The composition root: settings, home, doors, supervision, jobs, mail."""
