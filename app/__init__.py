"""Show, record: session, recording, command line and windows."""
