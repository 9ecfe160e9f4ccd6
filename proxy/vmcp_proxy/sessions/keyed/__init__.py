"""What stands for ids, callers, headers and tokens, by this process's keys."""
