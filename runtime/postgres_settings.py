"""The generated files of PostgreSQL: configuration, access, and the first statements."""

from typing import Final

CONFIGURATION: Final = """\
# Written at every start; what stands in local.conf, beside this file, wins.
listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
max_connections = 100
password_encryption = 'scram-sha-256'
fsync = on
synchronous_commit = on
full_page_writes = on
shared_buffers = '128MB'
effective_cache_size = '1GB'
work_mem = '8MB'
maintenance_work_mem = '64MB'
max_wal_size = '1GB'
checkpoint_timeout = '15min'
max_parallel_workers_per_gather = 1
jit = off
# Beside the data and gone with it; /dev/shm is small in containers, and a kill leaves traces there.
dynamic_shared_memory_type = mmap
{libraries}timezone = 'UTC'
log_timezone = 'UTC'
log_line_prefix = '%m [%p] %a '
log_checkpoints = off
log_parameter_max_length_on_error = 0
log_error_verbosity = terse
# Errors repeat their statement otherwise, and a statement may hold a patient's values.
log_min_error_statement = panic
idle_in_transaction_session_timeout = '5min'
tcp_keepalives_idle = 30
include_if_exists = 'local.conf'
"""

# Where the library is there. Our own jobs tidy up, and nobody is called from inside a clinic.
TIMESCALEDB: Final = """\
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
timescaledb.max_background_workers = 0
"""

# No socket file and no local trust: every session is on loopback and knows its password.
ACCESS: Final = "host all all 127.0.0.1/32 scram-sha-256\n"

# Idempotent; the password is hexadecimal, so quoting it is safe.
BOOTSTRAP: Final = """\
SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS
    (SELECT FROM pg_roles WHERE rolname = '{role}') \\gexec
ALTER ROLE {role} PASSWORD '{password}';
SELECT 'CREATE DATABASE {role} OWNER {role}' WHERE NOT EXISTS
    (SELECT FROM pg_database WHERE datname = '{role}') \\gexec
"""
