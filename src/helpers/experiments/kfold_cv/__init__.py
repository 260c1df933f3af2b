"""What report 07 alone needs."""
