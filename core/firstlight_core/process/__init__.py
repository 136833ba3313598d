"""Child processes: how a job is started, talked to, watched and ended."""
