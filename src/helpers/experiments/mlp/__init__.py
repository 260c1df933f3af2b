"""What report 04 alone needs."""
