"""What one report alone needs and its reader does not miss, a folder per report."""
