"""What report 06 alone needs."""
