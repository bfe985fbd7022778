"""What `test_workers` starts in processes of their own: a service, an app, and programs that share one client."""
