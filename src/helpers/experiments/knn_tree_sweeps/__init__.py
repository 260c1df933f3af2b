"""What report 03 alone needs."""
