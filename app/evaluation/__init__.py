"""How good the passages, answers, refusals and follow-ups are: one command, one report."""
