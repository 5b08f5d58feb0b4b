"""What can be derived from one touchpoint alone: channel group, user agent, referrer. Pure."""
