"""What report 01 alone needs."""
