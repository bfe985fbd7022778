"""Files on their way to the service: what may be one, where its bytes come from, and the multipart body."""
