"""What the service remembers: conversations, feedback, keys, grants, portals, jobs, the audit."""
