"""The processes that `test_workers` starts: a service, an app, and programs that share one client."""
