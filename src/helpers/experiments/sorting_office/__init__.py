"""What report 10 alone needs."""
