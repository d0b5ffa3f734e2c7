"""What the service is doing, for its operator: logs, metrics and traces of requests and answers."""
