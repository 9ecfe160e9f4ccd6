"""Where audit lines go: each sink sends lines and says how many got there; `audit.queue` waits and tries again."""
