"""What each door and the jobs are made of, with no more capability than they need; one module each, loaded by nobody else."""
