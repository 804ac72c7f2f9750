"""What each client does, one module each: its public functions are the plays."""
