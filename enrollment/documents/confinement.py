"""What a child process takes from itself before it reads anything: time, memory, files."""

import resource

CPU_SECONDS = 10
MEMORY = 1 << 30


def confine() -> None:
    """Give up the right to more than a little time and memory, to write files, and to leave a core."""
    for limit, most in (
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        resource.setrlimit(limit, (most, most))
