"""What report 09 alone needs."""
