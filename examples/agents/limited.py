"""limited.py CPU_SECONDS PROGRAM [ARG…]: becomes PROGRAM under limits. A program of its own, as nothing of Python's may run
between fork and exec in a process with threads."""
import os
import resource
import sys

LIMITS = ((resource.RLIMIT_CPU, int(sys.argv[1])), (resource.RLIMIT_AS, 1 << 30), (resource.RLIMIT_FSIZE, 64 << 20),
          (resource.RLIMIT_NOFILE, 256), (resource.RLIMIT_CORE, 0))

for what, value in LIMITS:
    _, hard = resource.getrlimit(what)
    value = value if hard == resource.RLIM_INFINITY else min(value, hard)
    resource.setrlimit(what, (value, value))
try:
    os.execvp(sys.argv[2], sys.argv[2:])
except OSError as e:
    sys.exit(f"{sys.argv[2]}: {e.strerror}")
