"""What report 11 alone needs."""
